package engine

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// Each of these is a rule that other tests pass without. A single node meets peers whose frames the test makes up.

// peerActor is the incarnation of a made-up peer.
func peerActor(b byte) clock.Actor { return clock.ActorFrom([16]byte{b}) }

// hello is the heartbeat of a ready peer.
func (s *solo) hello(name string, actor clock.Actor, change ...func(*helloFrame)) Input {
	h := helloFrame{Cluster: "kvnode", Name: name, Actor: actor, Partitions: Partitions, Ready: true, Rewriter: 1}
	for _, f := range change {
		f(&h)
	}
	return s.arrived(actor, frameHello, h)
}

func (s *solo) arrived(from clock.Actor, kind frameKind, frame any) Input {
	return Arrived{From: from.String(), Payload: s.core().codec.frame(kind, frame)}
}

// hearing lets time pass while the same frames come in again and again.
func (s *solo) hearing(d time.Duration, in ...Input) (effects []Effect) {
	for end := s.now.Add(d); s.now.Before(end); {
		effects = append(effects, s.step(in...)...)
	}
	return effects
}

// connected lists the incarnations that count as connected.
func (s *solo) connected() (out []clock.Actor) {
	for _, p := range s.core().members.sorted {
		out = append(out, p.actor)
	}
	return out
}

func restarts(effects []Effect) bool {
	return slices.ContainsFunc(effects, func(e Effect) bool { _, is := e.(Restart); return is })
}

// sentKinds are the kinds of the frames among effects.
func sentKinds(effects []Effect) (kinds []frameKind) {
	for _, e := range effects {
		if f, ok := e.(Transmit); ok {
			kinds = append(kinds, frameKind(f.Payload[1]))
		}
	}
	return kinds
}

func TestReplacedIncarnationIsNotHeardAgain(t *testing.T) {
	s := newSolo(t)
	old, young := peerActor(2), peerActor(3)
	s.step(s.hello("b", old))
	s.step(s.hello("b", young))
	require.Equal(t, []clock.Actor{young}, s.connected())
	s.step(s.hello("b", old))
	require.Equal(t, []clock.Actor{young}, s.connected(), "a late heartbeat of the one before")
	asked := s.step(s.arrived(old, frameBeat, beatFrame{Digest: 1}))
	require.NotContains(t, asked, Transmit{To: old.String(), Lane: LaneFast, Payload: s.core().codec.frame(frameBeat, beatFrame{Ask: true})})
}

func TestFormerIncarnationOfThisNodeIsNotItsRival(t *testing.T) {
	s := newSolo(t)
	former := s.core().cfg.Actor
	_, legacy, err := s.d.Close(s.now)
	require.NoError(t, err)
	next := newSolo(t, func(cfg *Config) { cfg.Actor, cfg.Legacy, cfg.ExpectPeers = peerActor(9), legacy, true })
	late := next.hello("a", former, func(h *helloFrame) { h.Uptime = uint64(time.Hour.Milliseconds()) })
	require.False(t, slices.ContainsFunc(next.hearing(time.Second, late), func(e Effect) bool { _, is := e.(Stop); return is }))
	require.Empty(t, next.connected())
}

func TestConflictGetsAnotherMergerWhenItsMergerLeaves(t *testing.T) {
	s := newSolo(t)
	s.create("carts")
	s.install("carts", "any")
	peer := s.hello("b", peerActor(2))
	s.step(peer)
	carts, err := s.core().space.table("carts")
	require.NoError(t, err)
	key := keyOf(s.core(), carts, "b")
	s.fork(key)
	require.Empty(t, judging(s.hearing(5*time.Second, peer)), "that is the other one's")
	s.step(s.arrived(peerActor(2), frameBye, byeFrame{}))
	require.Len(t, judging(s.run(3*time.Second)), 1)
}

// keyOf finds a key of which the member is the merger.
func keyOf(c *Core, of *table, member string) string {
	i := 0
	for c.merger(of, strconv.Itoa(i)) != member {
		i++
	}
	return strconv.Itoa(i)
}

func TestMergerIsAReadyMemberThatStaysAndCanRunTheHandler(t *testing.T) {
	for unfit, change := range map[string]func(*helloFrame){
		"not ready":          func(h *helloFrame) { h.Ready = false },
		"leaving":            func(h *helloFrame) { h.Leaving = true },
		"of another version": func(h *helloFrame) { h.Rewriter = 2 },
	} {
		s := newSolo(t)
		s.create("carts")
		s.step(s.hello("fit", peerActor(2)))
		s.step(s.hello("unfit", peerActor(3), change))
		carts, err := s.core().space.table("carts")
		require.NoError(t, err)
		mergers := map[string]int{}
		for i := range 100 {
			mergers[s.core().merger(carts, strconv.Itoa(i))]++
		}
		require.Zero(t, mergers["unfit"], unfit)
		require.Positive(t, mergers["a"], unfit)
		require.Positive(t, mergers["fit"], unfit)
	}
}

func TestNodeThatStoodStillSuspectsNobodyForIt(t *testing.T) {
	s := newSolo(t)
	s.step(s.hello("b", peerActor(2)))
	s.now = s.now.Add(time.Minute)
	s.step()
	require.Len(t, s.connected(), 1, "it was this node that did not listen")
	s.run(s.core().cfg.SuspectAfter + 2*TickInterval)
	require.Empty(t, s.connected())
}

func TestMutationOfThisIncarnationThatItNeverMadeRestartsTheNode(t *testing.T) {
	s := newSolo(t)
	s.create("carts")
	peer := peerActor(2)
	s.step(s.hello("b", peer))
	foreign := replica.New(s.core().cfg.Actor, replica.Options{})
	for range 3 {
		_, err := foreign.Write(replica.Write{Key: "k", Context: clock.Context{}})
		require.NoError(t, err)
	}
	delta, _ := foreign.Drain(1 << 20)
	carts, err := s.core().space.table("carts")
	require.NoError(t, err)
	group := mutationGroup{ID: carts.parts[0].id, Delta: delta.AppendBinary(nil)}
	require.True(t, restarts(s.step(s.arrived(peer, frameMutations, mutationsFrame{Sequence: 1, Groups: []mutationGroup{group}}))))
}

func TestEqualClocksWithDifferentDataAreAnAlarmAndAFullTransfer(t *testing.T) {
	var raised []Event
	s := newSolo(t, func(cfg *Config) { cfg.Events = func(e Event) { raised = append(raised, e) } })
	s.create("carts")
	peer := peerActor(2)
	s.step(s.hello("b", peer))
	carts, err := s.core().space.table("carts")
	require.NoError(t, err)
	hash, _ := carts.parts[0].digest()
	effects := s.step(s.arrived(peer, frameClocks, clocksFrame{Table: "carts", Epoch: carts.epoch, Equal: []partitionEqual{{Hash: hash, SumDiffers: true}}}))
	require.True(t, slices.ContainsFunc(raised, func(e Event) bool { return e.Kind == EventDiverged && e.Table == "carts" }))
	var pulls []pullFrame
	for _, e := range effects {
		if f, ok := e.(Transmit); ok && frameKind(f.Payload[1]) == framePull {
			pull, err := decode[pullFrame](s.core().codec, f.Payload[2:])
			require.NoError(t, err)
			pulls = append(pulls, pull)
		}
	}
	require.Len(t, pulls, 1)
	require.True(t, pulls[0].Full)
	require.Equal(t, carts.parts[0].id, pulls[0].ID)
}

func TestProbeOfAPeerWithEqualClocksIsToldThatItsDataDiffers(t *testing.T) {
	s := newSolo(t)
	peer := peerActor(2)
	s.step(s.hello("b", peer))
	hash, sum := s.core().space.catalogue.digest()
	effects := s.step(s.arrived(peer, frameProbe, probeFrame{Hashes: []uint64{hash}, Sums: []uint64{sum + 1}}))
	answer := s.core().codec.frame(frameClocks, clocksFrame{Equal: []partitionEqual{{Hash: hash, SumDiffers: true}}})
	require.Contains(t, effects, Transmit{To: peer.String(), Lane: LaneFast, Payload: answer})
}

func TestChangeOfTheCatalogueIsSaidWithAWholeHello(t *testing.T) {
	s := newSolo(t)
	peer := s.hello("b", peerActor(2))
	s.hearing(2*time.Second, peer)
	require.NotContains(t, sentKinds(s.hearing(time.Second, peer)), frameHello, "no news")
	s.create("carts")
	require.Contains(t, sentKinds(s.hearing(time.Second, peer)), frameHello)
}

func TestAnswerOfAnotherTransferIsNotTaken(t *testing.T) {
	s := newSolo(t)
	peer, other := peerActor(2), peerActor(3)
	s.step(s.hello("b", peer), s.hello("c", other))
	catalogue := s.core().space.catalogue
	s.core().take(peer, catalogue, true)
	x := s.core().repair.taking[catalogue.id]
	require.NotNil(t, x)
	for _, late := range []struct {
		from clock.Actor
		f    chunkFrame
	}{
		{other, chunkFrame{Xfer: x.id, Step: x.step, Same: true}},
		{peer, chunkFrame{Xfer: x.id + 1, Step: x.step, Same: true}},
		{peer, chunkFrame{Xfer: x.id, Step: x.step + 1, Same: true}},
	} {
		s.step(s.arrived(late.from, frameChunk, late.f))
		require.Contains(t, s.core().repair.taking, catalogue.id, "%+v", late)
	}
	s.step(s.arrived(peer, frameChunk, chunkFrame{Xfer: x.id, Step: x.step, Same: true}))
	require.NotContains(t, s.core().repair.taking, catalogue.id)
}

func TestTablesAreComparedAtOnceWhenTheCatalogueIsComplete(t *testing.T) {
	s := newSolo(t)
	peer := peerActor(2)
	s.step(s.hello("b", peer))
	catalogue := s.core().space.catalogue
	s.core().take(peer, catalogue, false)
	x := s.core().repair.taking[catalogue.id]
	p := s.core().members.peers[peer]
	p.nextSync = s.now.Add(time.Hour)
	s.d.Step(s.now, s.arrived(peer, frameChunk, chunkFrame{Xfer: x.id, Step: x.step, Same: true}))
	require.False(t, s.now.Before(p.nextSync))
}

func TestStepThatIsAskedForBeforeTheAnswerToTheLastIsNotServed(t *testing.T) {
	s := newSolo(t)
	s.create("carts")
	peer := peerActor(2)
	s.step(s.hello("b", peer))
	ask := func(step uint64) Input {
		return s.arrived(peer, framePull, pullFrame{Xfer: 1, Step: step, Full: true, Clock: clock.Clock{}.AppendBinary(nil), Question: replica.Question{}.AppendBinary(nil)})
	}
	sent := sentKinds(s.step(ask(1), ask(2), ask(3)))
	sent = append(sent, sentKinds(s.run(time.Second))...)
	require.Len(t, slices.DeleteFunc(sent, func(k frameKind) bool { return k != frameChunk }), 1)
}

func TestWhoHasNotSaidWhoItIsGetsNoAnswer(t *testing.T) {
	s := newSolo(t)
	s.create("carts")
	probe := probeFrame{Table: "carts", Epoch: 1, Hashes: make([]uint64, Partitions), Sums: make([]uint64, Partitions)}
	require.NotContains(t, sentKinds(s.step(s.arrived(peerActor(2), frameProbe, probe))), frameClocks)
	s.step(s.hello("b", peerActor(2)))
	require.Contains(t, sentKinds(s.step(s.arrived(peerActor(2), frameProbe, probe))), frameClocks, "a member may ask")
}
