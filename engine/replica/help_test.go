package replica_test

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
)

// actor returns the actor whose bytes are all b.
func actor(b byte) clock.Actor {
	return clock.ActorFrom([clock.ActorSize]byte(bytes.Repeat([]byte{b}, clock.ActorSize)))
}

func dot(b byte, counter uint64) clock.Dot {
	return clock.Dot{Actor: actor(b), Counter: counter}
}

// open returns an empty replica whose actor is all b.
func open(b byte) *replica.Replica {
	return replica.New(actor(b), replica.Options{})
}

func write(t *testing.T, r *replica.Replica, w replica.Write) replica.Written {
	t.Helper()
	done, err := r.Write(w)
	require.NoError(t, err)
	return done
}

// put writes a value over everything that r knows of the key.
func put(t *testing.T, r *replica.Replica, key, value string) replica.Written {
	t.Helper()
	return write(t, r, replica.Write{Key: key, Value: []byte(value)})
}

// del deletes everything that r knows of the key.
func del(t *testing.T, r *replica.Replica, key string) replica.Written {
	t.Helper()
	return write(t, r, replica.Write{Key: key, Delete: true})
}

// values returns the values of the key in the order of their dots.
func values(r *replica.Replica, key string) []string {
	out := []string{}
	for _, v := range r.Get(key) {
		out = append(out, string(v.Value))
	}
	return out
}

// drain takes the whole outbox and returns it as it arrives at a peer.
func drain(t *testing.T, r *replica.Replica) replica.Delta {
	t.Helper()
	d, _ := r.Drain(1 << 20)
	require.Zero(t, r.Pending())
	return wire(t, d)
}

// wire sends d through its encoding.
func wire(t *testing.T, d replica.Delta) replica.Delta {
	t.Helper()
	parsed, err := replica.ParseDelta(d.AppendBinary(nil))
	require.NoError(t, err)
	return parsed
}

func receive(t *testing.T, r *replica.Replica, d replica.Delta) []string {
	t.Helper()
	changed, err := r.Receive(d)
	require.NoError(t, err)
	return changed
}

// send drains from into every one of to.
func send(t *testing.T, from *replica.Replica, to ...*replica.Replica) {
	t.Helper()
	d := drain(t, from)
	for _, r := range to {
		receive(t, r, d)
	}
}

// seal closes the entry of a dead actor at a replica, and returns the keys whose mutations were made again.
func seal(t *testing.T, r *replica.Replica, a clock.Actor, e clock.Entry) []string {
	t.Helper()
	again, err := r.Seal(a, e)
	require.NoError(t, err)
	var keys []string
	for _, m := range again {
		require.NotEmpty(t, m.Dots)
		keys = append(keys, m.Key)
	}
	return keys
}

// transfer is one transfer that a test takes step by step.
type transfer struct {
	from, to *replica.Replica
	plan     *replica.Plan
	intake   *replica.Intake
	done     bool
	asked    replica.Question
	keys     []string // that travelled
	bytes    int      // of all questions and answers
	steps    int
}

// begin plans what to lacks of from.
func begin(from, to *replica.Replica, full bool) *transfer {
	plan := from.Plan(to.Self(), to.Clock(), full)
	if plan == nil {
		return nil
	}
	return &transfer{from: from, to: to, plan: plan, intake: to.Begin()}
}

// answer asks the next question and returns its answer of up to maxBytes, as it arrives.
func (x *transfer) answer(tb testing.TB, maxBytes int) *replica.Answer {
	tb.Helper()
	frame := x.to.Ask(x.intake, maxBytes).AppendBinary(nil)
	q, err := replica.ParseQuestion(frame)
	require.NoError(tb, err)
	x.asked = q
	x.bytes += len(frame)
	a := replica.NewAnswer(q)
	for more := true; more; {
		more, err = x.from.Answer(x.plan, q, a, maxBytes)
		require.NoError(tb, err)
	}
	frame = a.AppendBinary(nil)
	x.bytes += len(frame)
	a, err = replica.ParseAnswer(frame)
	require.NoError(tb, err)
	return a
}

// take gives the answer to the receiver, and returns what changed.
func (x *transfer) take(tb testing.TB, a *replica.Answer) []string {
	tb.Helper()
	changed, done, err := x.to.Take(x.intake, a)
	require.NoError(tb, err)
	x.done = done
	for done && x.to.Tidy() {
		continue
	}
	x.steps++
	for _, o := range a.Delta.Objects {
		x.keys = append(x.keys, o.Key)
	}
	return changed
}

// walk takes steps until the transfer compares.
func (x *transfer) walk(tb testing.TB) {
	tb.Helper()
	for x.to.Ask(x.intake, 0).Stage < replica.StageCompare {
		x.take(tb, x.answer(tb, 1<<10))
	}
}

// end takes all steps that are left.
func (x *transfer) end(tb testing.TB, maxBytes int) (changed []string) {
	tb.Helper()
	for !x.done {
		changed = append(changed, x.take(tb, x.answer(tb, maxBytes))...)
	}
	return changed
}

// pull brings to everything that it lacks of from.
func pull(tb testing.TB, from, to *replica.Replica, full bool) *transfer {
	tb.Helper()
	x := begin(from, to, full)
	if x != nil {
		x.end(tb, 1<<10)
	}
	return x
}

// requireSame checks that the replicas know and hold the same.
func requireSame(t *testing.T, a, b *replica.Replica) {
	t.Helper()
	require.True(t, a.Clock().Equal(b.Clock()), "%v and %v", a.Clock(), b.Clock())
	require.Equal(t, a.ClockHash(), b.ClockHash())
	require.Equal(t, a.Sum(), b.Sum())
	require.Equal(t, contents(a), contents(b))
	for key := range a.Conflicts() {
		require.Equal(t, baseDot(a, key), baseDot(b, key), key)
	}
}

// contents returns what r holds, without what its versions remember: replicas forget at different times.
func contents(r *replica.Replica) map[string][]replica.Version {
	out := maps.Collect(r.All())
	for key, versions := range out {
		out[key] = withoutPasts(versions)
	}
	return out
}

func withoutPasts(vs []replica.Version) []replica.Version {
	out := slices.Clone(vs)
	for i := range out {
		out[i].Past = nil
	}
	return out
}

// baseDot names the base of the key's siblings, the zero Dot for none.
func baseDot(r *replica.Replica, key string) clock.Dot {
	if base := replica.Base(r.Get(key)); base != nil {
		return base.Dot
	}
	return clock.Dot{}
}
