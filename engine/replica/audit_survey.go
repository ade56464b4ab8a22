package replica

import "slices"

const (
	// surveyKeys is how many keys a span may have to be listed; of more the sums of its parts are compared.
	surveyKeys = 16
	// maxListed bounds the keys of a span that cannot be divided further.
	maxListed = 64
)

// SurveyFan is the number of parts of a span.
const SurveyFan = placeFan

// Span is a part of the places by which replicas order their keys: those whose first Bits bits are the first bits of First. The zero Span is all.
type Span struct {
	First uint64
	Bits  int
}

// IsValid reports whether there is such a span. The methods of Replica take valid ones only.
func (s Span) IsValid() bool {
	return s.Bits >= 0 && s.Bits <= 64 && s.Bits%placeBits == 0 && s.First&^s.mask() == 0
}

// mask has the bits that all places of the span share.
func (s Span) mask() uint64 {
	return ^uint64(0) << (64 - s.Bits)
}

func (s Span) span() span {
	return span{lo: s.First, bits: s.Bits}
}

// Survey is what a replica has in a span: the low halves of the sums of its parts, SurveyFan of them, or when its keys are few these with the low
// halves of their fingerprints.
type Survey struct {
	Sums []uint64
	Keys []SurveyedKey
}

// SurveyedKey is a key with the low half of its fingerprint.
type SurveyedKey struct {
	Key string
	Sum uint64
}

// Survey looks at a span. It only reads.
func (r *Replica) Survey(s Span) Survey {
	var out Survey
	if count, _ := r.places.total(s.span()); count > surveyKeys && s.Bits < 64 {
		sums := r.places.parts(s.span())
		out.Sums = sums[:]
		return out
	}
	for _, k := range r.listed(s) {
		out.Keys = append(out.Keys, SurveyedKey{k.key, k.sum})
	}
	return out
}

// listed returns the first keys of the span.
func (r *Replica) listed(s Span) (keys []placed) {
	of := s.span()
	r.places.ascend(of.lo, func(k placed) bool {
		if !of.has(k.place) || len(keys) == maxListed {
			return false
		}
		keys = append(keys, k)
		return true
	})
	return keys
}

// Differences compares what a peer has in a span with what is here: the parts whose sums differ, or some of the keys of which other versions are held
// there, sorted. Replicas that know different mutations may differ rightly. It only reads; a peer's survey that is none gives nothing.
func (r *Replica) Differences(s Span, theirs Survey) (parts []Span, keys []string) {
	if len(theirs.Sums) == SurveyFan && s.Bits < 64 {
		for i, sum := range r.places.parts(s.span()) {
			if part := s.span().part(i); sum != theirs.Sums[i] {
				parts = append(parts, Span{First: part.lo, Bits: part.bits})
			}
		}
		return parts, nil
	}
	held := map[string]uint64{}
	for _, k := range theirs.Keys {
		held[k.Key] = k.Sum
	}
	for _, k := range r.listed(s) {
		sum, there := held[k.key]
		delete(held, k.key)
		if !there || sum != k.sum {
			keys = append(keys, k.key)
		}
	}
	for key := range held {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return nil, keys
}
