package engine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// mutation is a frame with a put of a key of carts by another incarnation, on top of what others wrote.
func (s *solo) mutation(from clock.Actor, sequence uint64, key string, seen clock.Context) Input {
	s.t.Helper()
	carts, err := s.core().space.table("carts")
	require.NoError(s.t, err)
	r := replica.New(from, replica.Options{})
	_, err = r.Write(replica.Write{Key: key, Value: []byte("v"), Context: seen})
	require.NoError(s.t, err)
	delta, _ := r.Drain(1 << 20)
	group := mutationGroup{ID: carts.partition(key).id, Delta: delta.AppendBinary(nil)}
	return s.arrived(from, frameMutations, mutationsFrame{Sequence: sequence, Seals: s.seals, Groups: []mutationGroup{group}})
}

// shown counts the versions of a key of carts.
func (s *solo) shown(key string) int {
	s.t.Helper()
	held, err := s.d.Held("carts", key)
	require.NoError(s.t, err)
	return len(held.Versions)
}

// replies returns the last answer to a question about dead incarnations among effects.
func (s *solo) replies(effects []Effect) (out closingReplyFrame) {
	s.t.Helper()
	for _, e := range effects {
		if f, ok := e.(Transmit); ok && frameKind(f.Payload[1]) == frameClosingReply {
			_, body, err := s.core().codec.open(f.Payload)
			require.NoError(s.t, err)
			out, err = decode[closingReplyFrame](s.core().codec, body)
			require.NoError(s.t, err)
		}
	}
	return out
}

func TestNoDataAreTakenFromAMemberBeforeItsSealsAreKnown(t *testing.T) {
	s := newSolo(t)
	s.create("carts")
	gone, peer := peerActor(3), peerActor(2)
	s.dead(gone, "k")
	s.step(s.hello("b", peer))
	seals := []sealRecord{{Actor: gone}}
	s.seals = s.core().digestSeals(seals)
	require.Contains(t, sentKinds(s.step(s.mutation(peer, 1, "k", clock.Context{gone: 1}))), frameAskSeals)
	require.Equal(t, 1, s.shown("k"), "b replaces what, to its knowledge, was never written")
	s.step(s.arrived(peer, frameSeals, sealsFrame{Seals: []toldSeal{{Seal: seals[0], Dots: []clock.Dot{{Actor: peer, Counter: 1}}}}}))
	require.Equal(t, 1, s.shown("k"), "it was made again")
	s.step(s.mutation(peer, 2, "k", clock.Context{gone: 1}))
	require.Equal(t, 2, s.shown("k"))
}

func TestMemberThatAsksIsToldTheSeals(t *testing.T) {
	s := newSolo(t)
	c := s.core()
	_, _, err := c.putCatalogue(keySeal+peerActor(3).String(), c.codec.record(sealRecord{Actor: peerActor(3)}), c.stamp())
	require.NoError(t, err)
	peer := peerActor(2)
	s.step(s.hello("b", peer))
	require.Contains(t, sentKinds(s.step(s.arrived(peer, frameAskSeals, askSealsFrame{}))), frameSeals)
	require.NotZero(t, c.closing.digest)
}

// dead makes the node hear from an incarnation that ends in order, and is nobody's any more.
func (s *solo) dead(actor clock.Actor, keys ...string) {
	s.t.Helper()
	s.step(s.hello("dead", actor))
	for i, key := range keys {
		s.step(s.mutation(actor, uint64(i+1), key, clock.Context{}))
		require.Equal(s.t, 1, s.shown(key))
	}
	s.step(s.arrived(actor, frameBye, byeFrame{}))
}

func TestIncarnationOfWhichOneMemberHasMoreIsNotClosed(t *testing.T) {
	s := newSolo(t)
	s.create("carts")
	gone, peer := peerActor(3), peerActor(2)
	s.dead(gone, "k")
	s.step(s.hello("b", peer))
	c := s.core()
	same := c.entriesDigest(c.entriesOf(gone))
	for digest, agreed := range map[uint64]bool{same: true, same + 1: false} {
		ask := closingFrame{Round: 1, Actors: []closingActor{{Actor: gone, Digest: digest}}}
		require.Equal(t, []bool{agreed}, s.replies(s.step(s.arrived(peer, frameClosing, ask))).Agreed)
	}
}

func TestNobodyAgreesThatALiveIncarnationIsDead(t *testing.T) {
	s := newSolo(t)
	s.create("carts")
	peer := peerActor(2)
	s.step(s.hello("b", peer))
	c := s.core()
	for _, live := range []clock.Actor{peer, c.cfg.Actor} {
		ask := closingFrame{Round: 1, Actors: []closingActor{{Actor: live, Digest: c.entriesDigest(c.entriesOf(live))}}}
		require.Equal(t, []bool{false}, s.replies(s.step(s.arrived(peer, frameClosing, ask))).Agreed)
	}
	require.False(t, c.isFenced(peer))
}

func TestWhoAgreesThatAnIncarnationIsDeadHearsItNoMore(t *testing.T) {
	s := newSolo(t)
	s.create("carts")
	gone, peer := peerActor(3), peerActor(2)
	s.dead(gone, "k")
	s.step(s.hello("b", peer))
	c := s.core()
	ask := closingFrame{Round: 1, Actors: []closingActor{{Actor: gone, Digest: c.entriesDigest(c.entriesOf(gone))}}}
	s.step(s.arrived(peer, frameClosing, ask))
	s.step(s.hello("dead", gone))
	s.step(s.mutation(gone, 2, "late", clock.Context{}))
	require.Zero(t, s.shown("late"))
	require.Equal(t, []clock.Actor{peer}, s.connected())
}

func TestFrameThatNamesARetiredIncarnationIsTakenWithoutIt(t *testing.T) {
	s := newSolo(t)
	s.create("carts")
	gone, peer := peerActor(3), peerActor(2)
	c := s.core()
	_, _, err := c.putCatalogue(keySeal+gone.String(), c.codec.record(sealRecord{Actor: gone, Retired: true}), c.stamp())
	require.NoError(t, err)
	s.step(s.hello("b", peer))
	s.step(s.hello("b", peer))
	s.step(s.mutation(peer, 1, "k", clock.Context{gone: 7}))
	held, err := s.d.Held("carts", "k")
	require.NoError(t, err)
	require.Len(t, held.Versions, 1)
	require.NotContains(t, held.Known, gone)
}

func TestIncarnationThatTheOthersHaveClosedGoesOnAsAnother(t *testing.T) {
	s := newSolo(t)
	peer := peerActor(2)
	s.step(s.hello("b", peer))
	require.False(t, restarts(s.step(s.arrived(peer, frameBye, byeFrame{Closed: peerActor(4)}))), "that is another")
	require.True(t, restarts(s.step(s.arrived(peer, frameBye, byeFrame{Closed: s.core().cfg.Actor}))))
}

func TestRecordsOfRetiredIncarnationsAreBounded(t *testing.T) {
	s := newSolo(t, func(cfg *Config) { cfg.CloseAfter = time.Second })
	c := s.core()
	for i := range maxRetired + 20 {
		actor := clock.ActorFrom([16]byte{9, byte(i >> 8), byte(i)})
		rec := sealRecord{Actor: actor, Retired: true, Time: uint64(i)}
		_, _, err := c.putCatalogue(keySeal+actor.String(), c.codec.record(rec), c.stamp())
		require.NoError(t, err)
	}
	s.run(3 * time.Second)
	require.Len(t, c.space.seals(), maxRetired)
	_, kept := c.space.seal(clock.ActorFrom([16]byte{9, 0, 0}))
	require.False(t, kept, "the oldest goes")
	require.Len(t, c.closing.retired, maxRetired)
}

// What is told of the closed is what the digest in every frame stands for; else whoever is told asks for ever, and takes nothing.
func TestWhatIsToldOfTheClosedIsWhatTheDigestSays(t *testing.T) {
	s := newSolo(t)
	c, gone, peer := s.core(), peerActor(3), peerActor(2)
	s.step(s.hello("b", peer))
	told := toldSeal{Seal: sealRecord{Actor: gone}, Dots: []clock.Dot{{Actor: peer, Counter: 1}}}
	s.step(s.arrived(peer, frameSeals, sealsFrame{Seals: []toldSeal{told}}))
	require.Len(t, c.space.seals(), 1)
	_, _, err := c.putCatalogue(keySeal+gone.String(), c.codec.record(sealRecord{Actor: gone, Retired: true}), c.stamp())
	require.NoError(t, err)
	tellable := c.space.tellable()
	require.Len(t, tellable, 1)
	require.True(t, tellable[0].Seal.Retired)
	s.step()
	require.Empty(t, c.space.facts.told)
	require.Equal(t, c.digestSeals([]sealRecord{tellable[0].Seal}), c.closing.digest)
}

// A member told of a retirement, and was forgotten and closed before the record of it had come: the record would be gone, and what was retired would stay in
// the clocks of others.
func TestWhatWasToldOfTheClosedOutlivesTheMutationThatSaidIt(t *testing.T) {
	s := newSolo(t, func(cfg *Config) { cfg.CloseAfter = time.Second })
	c, gone, peer := s.core(), peerActor(3), peerActor(2)
	s.step(s.hello("b", peer))
	told := toldSeal{Seal: sealRecord{Actor: gone, Retired: true}, Dots: []clock.Dot{{Actor: peer, Counter: 1}}}
	s.step(s.arrived(peer, frameSeals, sealsFrame{Seals: []toldSeal{told}}))
	r := replica.New(peer, replica.Options{})
	for i, key := range []string{keySeal + gone.String(), "unknown"} {
		_, err := r.Write(replica.Write{Key: key, Value: []byte("v")})
		require.NoError(t, err)
		delta, _ := r.Drain(1 << 20)
		group := mutationGroup{ID: c.space.catalogue.id, Delta: delta.AppendBinary(nil)}
		if i > 0 { // the first one is lost
			s.step(s.arrived(peer, frameMutations, mutationsFrame{Sequence: 1, Seals: c.closing.digest, Groups: []mutationGroup{group}}))
		}
	}
	_, _, err := c.putCatalogue(keySeal+peer.String(), c.codec.record(sealRecord{
		Actor: peer, Entries: []sealEntry{{ID: c.space.catalogue.id, Known: []uint64{2, 2}}},
	}), c.stamp())
	require.NoError(t, err)
	s.step()
	lost := clock.Dot{Actor: peer, Counter: 1}
	require.True(t, c.space.catalogue.rep.IsLost(lost) && c.space.catalogue.rep.Knows(c.cfg.Actor, lost), "nobody has it, and the clock says it is known")
	c.noteSeals()
	rec, known := c.space.seal(gone)
	require.True(t, known && rec.Retired)
	s.run(3 * time.Second)
	require.True(t, c.space.facts.seals[gone].Retired, "it is in the catalogue")
	require.Empty(t, c.space.facts.told)
}
