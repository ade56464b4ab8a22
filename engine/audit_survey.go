package engine

import (
	"fmt"
	"maps"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

const (
	// maxSurveyed bounds the spans of one question, maxInspected the keys of an inquiry, and maxSurveySteps the questions that lead to them.
	maxSurveyed    = 16
	maxInspected   = 64
	maxSurveySteps = 64
	// surveyPatience is how long a survey may take to be answered.
	surveyPatience = time.Second
)

// inquiry is a question to the members about keys of one partition. When the keys are not known it begins with a survey: this node and one peer compare
// the sums of ever smaller spans. Then all connected members say what they hold of the keys.
type inquiry struct {
	p  *partition
	id uint64

	peer     clock.Actor
	step     uint64 // of the survey, 0 for none
	queue    []replica.Span
	surveyed []replica.Span // what the last question was about

	keys     []string
	have     map[string]replica.Fingerprint // what was here when the question was asked
	opinions map[clock.Actor]map[string]opinion
	asked    time.Time
	deadline time.Time
}

// opinion is what a member holds of a key: the same as this node, or these versions.
type opinion struct {
	same     bool
	versions []replica.Version
}

func (c *Core) newInquiry(p *partition) *inquiry {
	c.audit.next++
	q := &inquiry{p: p, id: c.audit.next, have: map[string]replica.Fingerprint{}, opinions: map[clock.Actor]map[string]opinion{}}
	c.audit.inquiries[p] = q
	return q
}

// survey searches for the keys of which a peer holds something else.
func (c *Core) survey(from clock.Actor, p *partition) {
	q := c.newInquiry(p)
	q.peer, q.queue = from, []replica.Span{{}}
	c.surveyOn(q)
}

// surveyOn asks about the next spans; when there is none, or enough keys are found, all members are asked about the keys.
func (c *Core) surveyOn(q *inquiry) {
	n := min(len(q.queue), maxSurveyed)
	if n == 0 || len(q.keys) >= maxInspected || q.step >= maxSurveySteps {
		c.inspect(q, q.keys)
		return
	}
	q.surveyed, q.queue = q.queue[:n:n], q.queue[n:]
	q.step++
	q.deadline = c.now.Add(surveyPatience)
	f := surveyFrame{ID: q.p.id, Inquiry: q.id, Step: q.step}
	for _, s := range q.surveyed {
		f.Spans = append(f.Spans, surveySpan{First: s.First, Bits: s.Bits})
	}
	c.send(q.peer, LaneFast, c.codec.frame(frameSurvey, f))
}

// onSurvey says what this node has in some spans.
func (c *Core) onSurvey(from clock.Actor, f surveyFrame) error {
	p := c.space.find(f.ID)
	if p == nil {
		return nil
	}
	if len(f.Spans) > maxSurveyed {
		return fmt.Errorf("%w: survey of %d spans", errFrame, len(f.Spans))
	}
	answer := surveyedFrame{ID: f.ID, Inquiry: f.Inquiry, Step: f.Step}
	for _, s := range f.Spans {
		span := replica.Span{First: s.First, Bits: s.Bits}
		if !span.IsValid() {
			return fmt.Errorf("%w: survey of the span %x of %d bits", errFrame, s.First, s.Bits)
		}
		answer.Surveys = append(answer.Surveys, p.survey(span))
	}
	c.send(from, LaneFast, c.codec.frame(frameSurveyed, answer))
	return nil
}

func (p *partition) survey(s replica.Span) (out surveyed) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	found := p.rep.Survey(s)
	out.Sums = found.Sums
	for _, k := range found.Keys {
		out.Keys, out.Sums = append(out.Keys, []byte(k.Key)), append(out.Sums, k.Sum)
	}
	return out
}

// onSurveyed goes on with the parts that differ.
func (c *Core) onSurveyed(from clock.Actor, f surveyedFrame) error {
	q := c.audit.inquiries[c.space.find(f.ID)]
	if q == nil || q.id != f.Inquiry || q.peer != from || q.step != f.Step || q.surveyed == nil {
		return nil
	}
	if len(f.Surveys) != len(q.surveyed) {
		return fmt.Errorf("%w: %d spans surveyed, %d asked", errFrame, len(f.Surveys), len(q.surveyed))
	}
	var deeper []replica.Span
	for i, s := range f.Surveys {
		theirs, err := s.parse()
		if err != nil {
			return err
		}
		parts, keys := q.p.differences(q.surveyed[i], theirs)
		deeper = append(deeper, parts...)
		q.keys = append(q.keys, keys[:min(len(keys), maxInspected-len(q.keys))]...)
	}
	q.surveyed, q.queue = nil, append(deeper, q.queue...)
	c.surveyOn(q)
	return nil
}

func (p *partition) differences(s replica.Span, theirs replica.Survey) ([]replica.Span, []string) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.rep.Differences(s, theirs)
}

func (s surveyed) parse() (replica.Survey, error) {
	switch {
	case len(s.Keys) == 0 && (len(s.Sums) == 0 || len(s.Sums) == replica.SurveyFan):
		return replica.Survey{Sums: s.Sums}, nil
	case len(s.Keys) != len(s.Sums) || len(s.Keys) > maxInspected:
		return replica.Survey{}, fmt.Errorf("%w: %d keys surveyed with %d sums", errFrame, len(s.Keys), len(s.Sums))
	}
	var out replica.Survey
	for i, key := range s.Keys {
		if err := validKey(string(key)); err != nil {
			return out, fmt.Errorf("%w: %w", errFrame, err)
		}
		out.Keys = append(out.Keys, replica.SurveyedKey{Key: string(key), Sum: s.Sums[i]})
	}
	return out, nil
}

// pursueInquiries ends inquiries that nobody answers, and asks members again that have not.
func (c *Core) pursueInquiries() {
	for _, p := range sortedPartitions(maps.Keys(c.audit.inquiries)) {
		q := c.audit.inquiries[p]
		switch over := c.now.After(q.deadline); {
		case q.surveyed != nil:
			if over {
				delete(c.audit.inquiries, p)
			}
		case over || c.isComplete(q):
			c.conclude(q)
		case c.now.Sub(q.asked) >= inspectPause:
			c.askOpinions(q)
		}
	}
}
