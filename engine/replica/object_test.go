package replica_test

import (
	"slices"
	"testing"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// genObject draws an object whose context covers its versions.
func genObject() *rapid.Generator[replica.Object] {
	return rapid.Custom(func(t *rapid.T) replica.Object {
		o := replica.Object{Context: clock.Context{}}
		for b := byte(1); b <= 3; b++ {
			top := rapid.Uint64Range(0, 4).Draw(t, "top")
			if top > 0 {
				o.Context[actor(b)] = top
			}
			for n := uint64(1); n <= top; n++ {
				if rapid.Bool().Draw(t, "live") {
					o.Versions = append(o.Versions, version(b, n))
				}
			}
		}
		return o
	})
}

// version returns the one version that a dot has everywhere.
func version(b byte, n uint64) replica.Version {
	v := replica.Version{Dot: dot(b, n), Stamp: clock.Timestamp(n * uint64(b)), Deleted: n == 3}
	if !v.Deleted {
		v.Value = []byte(v.Dot.String())
	}
	return v
}

func genClock() *rapid.Generator[clock.Clock] {
	return rapid.Custom(func(t *rapid.T) clock.Clock {
		var c clock.Clock
		for range rapid.IntRange(0, 12).Draw(t, "dots") {
			c.Add(dot(rapid.ByteRange(1, 3).Draw(t, "actor"), rapid.Uint64Range(1, 6).Draw(t, "counter")))
		}
		return c
	})
}

func requireEqualObjects(t *rapid.T, a, b replica.Object, law string) {
	require.Equal(t, a.Versions, b.Versions, law)
	require.True(t, a.Context.Equal(b.Context), law)
}

func TestSyncIsAJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := genObject().Draw(t, "a"), genObject().Draw(t, "b"), genObject().Draw(t, "c")
		ab := replica.Sync(a, b)
		requireEqualObjects(t, ab, replica.Sync(b, a), "commutative")
		requireEqualObjects(t, replica.Sync(ab, c), replica.Sync(a, replica.Sync(b, c)), "associative")
		requireEqualObjects(t, replica.Sync(a, a), a, "idempotent")
		requireEqualObjects(t, replica.Sync(ab, a), ab, "absorbing")
		require.True(t, slices.IsSortedFunc(ab.Versions, func(v, w replica.Version) int { return v.Dot.Compare(w.Dot) }))
	})
}

func TestSyncKeepsAVersionUnlessTheOtherSideHasSeenAndDroppedIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genObject().Draw(t, "a"), genObject().Draw(t, "b")
		has := func(o replica.Object, d clock.Dot) bool {
			return slices.ContainsFunc(o.Versions, func(v replica.Version) bool { return v.Dot == d })
		}
		both := replica.Sync(a, b)
		for actorByte := byte(1); actorByte <= 3; actorByte++ {
			for n := uint64(1); n <= 4; n++ {
				d := dot(actorByte, n)
				want := has(a, d) && has(b, d) || has(a, d) && !b.Context.Covers(d) || has(b, d) && !a.Context.Covers(d)
				require.Equal(t, want, has(both, d), "%v", d)
			}
		}
	})
}

func TestStripLosesNothingThatFillDoesNotBringBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, c := genObject().Draw(t, "object"), genClock().Draw(t, "clock")
		stripped := replica.Strip(o, c)
		for a, n := range stripped.Context {
			require.Greater(t, n, c.Base(a))
		}
		requireEqualObjects(t, replica.Fill(stripped, c.Bases()), replica.Fill(o, c.Bases()), "fill after strip")
		if c.Bases().CoversAll(o.Context) {
			require.Nil(t, stripped.Context)
		}
	})
}

func TestCanonicalOrderIsStampThenActorThenCounter(t *testing.T) {
	vs := []replica.Version{
		{Dot: dot(2, 1), Stamp: 5}, {Dot: dot(1, 9), Stamp: 5}, {Dot: dot(1, 2), Stamp: 5}, {Dot: dot(3, 1), Stamp: 4},
	}
	given := slices.Clone(vs)
	got := replica.Canonical(vs)
	require.Equal(t, []replica.Version{vs[3], vs[2], vs[1], vs[0]}, got)
	require.Equal(t, given, vs, "the argument is not reordered")
}

// TestReceiveIsSyncOfFilledObjects compares what Receive does, without ever filling an object, with its definition.
func TestReceiveIsSyncOfFilledObjects(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := []*replica.Replica{open(1), open(2), open(3)}
		var sent []replica.Delta
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			n := rapid.SampledFrom(nodes).Draw(t, "node")
			if rapid.Bool().Draw(t, "write") || len(sent) == 0 {
				w := replica.Write{Key: rapid.SampledFrom([]string{"j", "k"}).Draw(t, "key"), Delete: rapid.Bool().Draw(t, "delete")}
				w.Visible = rapid.Bool().Draw(t, "visible")
				w.Value = []byte{byte(len(sent))}
				w.Context = rapid.SampledFrom([]clock.Context{nil, {}, rapid.SampledFrom(nodes).Draw(t, "reader").Context(w.Key)}).Draw(t, "context")
				_, err := n.Write(w)
				require.NoError(t, err)
				d, _ := n.Drain(1)
				sent = append(sent, d)
				continue
			}
			receiveByDefinition(t, n, rapid.SampledFrom(sent).Draw(t, "frame"))
		}
	})
}

// receiveByDefinition lets n receive a delta of at most one object and compares the outcome with Sync.
func receiveByDefinition(t *rapid.T, n *replica.Replica, d replica.Delta) {
	if len(d.Objects) == 0 {
		return
	}
	p := d.Objects[0]
	local := replica.Object{Versions: n.Get(p.Key), Context: n.Context(p.Key)}
	want := replica.Sync(local, replica.Fill(p.Object, d.Base))
	_, err := n.Receive(d)
	require.NoError(t, err)
	require.Equal(t, withoutPasts(want.Versions), withoutPasts(n.Get(p.Key)))
	require.True(t, n.Context(p.Key).CoversAll(want.Context))
}

func TestCountsAreThoseOfTheVersionsThatAreThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := []*replica.Replica{open(1), open(2)}
		var sent []replica.Delta
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			n := rapid.SampledFrom(nodes).Draw(t, "node")
			if len(sent) > 0 && rapid.Bool().Draw(t, "receive") {
				_, err := n.Receive(rapid.SampledFrom(sent).Draw(t, "delta"))
				require.NoError(t, err)
			} else {
				w := replica.Write{Key: rapid.SampledFrom([]string{"j", "k", "l"}).Draw(t, "key"), Value: []byte{byte(len(sent))}}
				w.Delete, w.Visible = rapid.Bool().Draw(t, "delete"), rapid.Bool().Draw(t, "visible")
				w.Context = rapid.SampledFrom([]clock.Context{nil, {}, nodes[0].Context(w.Key)}).Draw(t, "context")
				_, err := n.Write(w)
				require.NoError(t, err)
				d, _ := n.Drain(1 << 20)
				sent = append(sent, d)
			}
			requireCounted(t, n)
		}
	})
}

// requireCounted requires that the counts of a replica are those of its versions.
func requireCounted(t *rapid.T, r *replica.Replica) {
	keys, conflicts, contested := 0, 0, 0
	for _, versions := range r.All() {
		keys++
		if len(versions) > 1 {
			conflicts++
		}
		values := slices.DeleteFunc(slices.Clone(versions), func(v replica.Version) bool { return v.Deleted })
		if len(values) > 1 {
			contested++
		}
	}
	require.Equal(t, []int{keys, conflicts, contested}, []int{r.Len(), r.NumConflicts(), r.NumContested()})
}
