package engine

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

func TestAuditFramesThatCannotBeAreRefused(t *testing.T) {
	s := newSolo(t)
	s.create("carts")
	s.step()
	c, stranger := s.core(), clock.ActorFrom([16]byte{9})
	tab, err := c.space.table("carts")
	require.NoError(t, err)
	id := tab.parts[0].id
	long := make([]byte, MaxKeyBytes+1)

	require.ErrorIs(t, c.onSurvey(stranger, surveyFrame{ID: id, Spans: make([]surveySpan, maxSurveyed+1)}), errFrame)
	for _, bad := range []surveySpan{{Bits: -4}, {Bits: 3}, {Bits: 68}, {First: 1, Bits: 60}} {
		require.ErrorIs(t, c.onSurvey(stranger, surveyFrame{ID: id, Spans: []surveySpan{bad}}), errFrame, "%+v", bad)
	}
	require.ErrorIs(t, c.onInspect(stranger, inspectFrame{ID: id, Keys: make([][]byte, 1)}), errFrame)
	many := inspectFrame{ID: id, Keys: make([][]byte, maxInspected+1), Have: make([]replica.Fingerprint, maxInspected+1)}
	require.ErrorIs(t, c.onInspect(stranger, many), errFrame)
	require.ErrorIs(t, c.onDisputed(stranger, disputedFrame{ID: id, Key: long}), errFrame)

	for _, bad := range []surveyed{
		{Sums: []uint64{1}},
		{Keys: [][]byte{[]byte("k")}},
		{Keys: [][]byte{long}, Sums: []uint64{1}},
		{Keys: make([][]byte, maxInspected+1), Sums: make([]uint64, maxInspected+1)},
	} {
		c.survey(stranger, tab.parts[0])
		q := c.audit.inquiries[tab.parts[0]]
		answer := surveyedFrame{ID: id, Inquiry: q.id, Step: q.step, Surveys: []surveyed{bad}}
		require.ErrorIs(t, c.onSurveyed(stranger, answer), errFrame)
		answer.Surveys = nil
		require.ErrorIs(t, c.onSurveyed(stranger, answer), errFrame)
	}
	q := c.audit.inquiries[tab.parts[0]]
	q.surveyed = nil
	require.ErrorIs(t, c.onInspected(stranger, inspectedFrame{ID: id, Inquiry: q.id, Delta: []byte("?")}), replica.ErrMalformed)
}

func TestAuditFramesOfUnknownTablesAndInquiriesAreIgnored(t *testing.T) {
	s := newSolo(t)
	c, stranger := s.core(), clock.ActorFrom([16]byte{9})
	id := partitionID{Table: "unknown", Epoch: 1}
	require.NoError(t, c.onSurvey(stranger, surveyFrame{ID: id}))
	require.NoError(t, c.onSurveyed(stranger, surveyedFrame{ID: id}))
	require.NoError(t, c.onInspect(stranger, inspectFrame{ID: id}))
	require.NoError(t, c.onInspected(stranger, inspectedFrame{}))
	require.NoError(t, c.onDisputed(stranger, disputedFrame{ID: id}))
	require.Empty(t, c.out)
}

func TestMembersThatDoNotAnswerHoldAnInquiryOnlySoLong(t *testing.T) {
	s := newSolo(t)
	s.create("carts")
	s.step()
	c := s.core()
	tab, err := c.space.table("carts")
	require.NoError(t, err)
	c.addPeer(helloFrame{Name: "mute", Actor: clock.ActorFrom([16]byte{9})})
	c.survey(clock.ActorFrom([16]byte{9}), tab.parts[0])
	c.inspect(c.newInquiry(tab.parts[1]), []string{"k"})
	require.Len(t, c.audit.inquiries, 2)
	c.members.sorted[0].heard = s.now.Add(inspectPatience * 2)
	s.run(inspectPatience + 2*TickInterval)
	require.Empty(t, c.audit.inquiries)
}

// held writes a key at a lone node and returns its partition.
func (s *solo) held(key string) *partition {
	s.t.Helper()
	s.call(func(ctx context.Context, e *Engine) error {
		_, err := e.Put(ctx, "carts", []KV{{Key: key, Value: []byte("apple")}}, WithAck(AckLocal))
		return err
	})
	t, err := s.core().space.table("carts")
	require.NoError(s.t, err)
	return t.partition(key)
}

func TestOnlyTheSmallestActorThatHoldsAVersionSettlesADispute(t *testing.T) {
	for other, settles := range map[clock.Actor]bool{clock.ActorFrom([16]byte{15: 1}): false, clock.ActorFrom([16]byte{9}): true} {
		s := newSolo(t)
		s.create("carts")
		s.step()
		c, p := s.core(), s.held("k")
		c.addPeer(helloFrame{Name: "other", Actor: other})
		rival := p.rep.Get("k")[0]
		rival.Value = []byte("poison")
		q := c.newInquiry(p)
		c.inspect(q, []string{"k"})
		c.takeOpinion(q, other, "k", opinion{versions: []replica.Version{rival}})
		c.conclude(q)
		require.Equal(t, settles, len(p.rep.Get("k")) == 2)
	}
}

func TestBrokenKeysOfADroppedTableAreForgotten(t *testing.T) {
	s := newSolo(t)
	s.create("carts")
	s.step()
	s.held("k").rep.Get("k")[0].Value[0] ^= 1
	s.run(scrubInterval + TickInterval)
	require.Len(t, s.core().audit.broken, 1)
	s.call(func(ctx context.Context, e *Engine) error { return e.DropTable(ctx, "carts") })
	s.run(2*scrubInterval + TickInterval)
	require.Empty(t, s.core().audit.broken)
}
