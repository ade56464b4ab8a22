package engine

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// goldenFrames is one frame of each kind, with all fields set.
func goldenFrames() []struct {
	name string
	kind frameKind
	msg  any
} {
	one, two := clock.ActorFrom([16]byte{1}), clock.ActorFrom([16]byte{2})
	id := partitionID{Table: "carts", Epoch: 2, Index: 3}
	return []struct {
		name string
		kind frameKind
		msg  any
	}{
		{"hello", frameHello, helloFrame{
			Cluster: "kvnode", Name: "a", Actor: one, Partitions: Partitions, Uptime: 1500, Ready: true, Leaving: true, HTTP: "127.0.0.1:7070",
			Route: "127.0.0.1:6222", Restarts: 4, Rewriter: 1, Sequence: 300, Tables: []tableDigest{{Table: "carts", Epoch: 2, Clocks: 5, Sum: 6}},
		}},
		{"bye", frameBye, byeFrame{Refuse: two, Closed: one}},
		{"mutations", frameMutations, mutationsFrame{Sequence: 7, Seals: 8, Groups: []mutationGroup{{ID: id, Delta: []byte("delta")}}}},
		{"ack", frameAck, ackFrame{Acks: []frameAcked{{Sequence: 7, Skipped: []int{0, 2}}}}},
		{"probe", frameProbe, probeFrame{Table: "carts", Epoch: 2, Hashes: []uint64{1, 2}, Sums: []uint64{3, 4}}},
		{"clocks", frameClocks, clocksFrame{
			Table: "carts", Epoch: 2, Equal: []partitionEqual{{Index: 1, Hash: 8, SumDiffers: true}},
			Clocks: []partitionClock{{Index: 2, Clock: []byte("clock")}},
		}},
		{"pull", framePull, pullFrame{ID: id, Xfer: 9, Step: 10, Full: true, Clock: []byte("clock"), Question: []byte("question")}},
		{"verdict", frameVerdict, verdictFrame{
			ID: "0123456789ab", Table: "carts", Key: []byte{'k', 0xff}, Merger: "b", State: Resolved, Verdict: "value", Value: []byte("v"), Plugin: "carts",
			SHA256: "ab", Fuel: 9, Took: 10,
		}},
		{"shadow", frameShadow, shadowFrame{
			Table: "carts", Record: "cd", ID: "0123456789ab", Key: []byte{'k', 0xff}, Equal: true,
			Live:   outcomeFrame{State: Resolved, Verdict: "value", Value: []byte("v")},
			Shadow: outcomeFrame{State: Failed, Verdict: "error", Value: []byte("w"), Reason: "why"},
		}},
		{"closing", frameClosing, closingFrame{Round: 3, Actors: []closingActor{{Actor: one, Digest: 4}, {Actor: two, Retire: true}}}},
		{"closing reply", frameClosingReply, closingReplyFrame{Round: 3, Agreed: []bool{true, false}}},
		{"ask seals", frameAskSeals, askSealsFrame{}},
		{"seals", frameSeals, sealsFrame{Seals: []toldSeal{{
			Seal: sealRecord{Actor: one, Time: 5, Retired: true, Entries: []sealEntry{{ID: id, Known: []uint64{1, 7, 9, 9}}}},
			Dots: []clock.Dot{{Actor: one, Counter: 3}},
		}}}},
		{"beat", frameBeat, beatFrame{Sequence: 300, Digest: 5, Ask: true}},
		{"survey", frameSurvey, surveyFrame{ID: id, Inquiry: 12, Step: 13, Spans: []surveySpan{{First: 3 << 60, Bits: 4}}}},
		{"surveyed", frameSurveyed, surveyedFrame{
			ID: id, Inquiry: 12, Step: 13, Surveys: []surveyed{{Sums: []uint64{1, 2}}, {Sums: []uint64{3}, Keys: [][]byte{{'k', 0xff}}}},
		}},
		{"inspect", frameInspect, inspectFrame{ID: id, Inquiry: 12, Keys: [][]byte{{'k', 0xff}}, Have: []replica.Fingerprint{{14, 15}}}},
		{"inspected", frameInspected, inspectedFrame{ID: id, Inquiry: 12, Same: [][]byte{{'k', 0xff}}, Delta: []byte("delta")}},
		{"disputed", frameDisputed, disputedFrame{ID: id, Key: []byte{'k', 0xff}, Values: 2}},
		{"ask objects", frameAskObjects, askObjectsFrame{ID: id, Keys: [][]byte{{'k', 0xff}}}},
		{"objects", frameObjects, objectsFrame{ID: id, Seals: 8, Delta: []byte("delta")}},
		{"ended", frameEnded, endedFrame{End: ByHand, IDs: []string{"0123456789ab"}}},
		{"chunk", frameChunk, chunkFrame{ID: id, Xfer: 9, Step: 11, Seals: 8, Gone: true, Same: true, Answer: []byte("answer")}},
	}
}

func TestFramesOnTheWireAreAsTheGoldenFileHasThem(t *testing.T) {
	var b strings.Builder
	for _, g := range goldenFrames() {
		fmt.Fprintf(&b, "%s %s\n", g.name, hex.EncodeToString(newCodec().frame(g.kind, g.msg)))
	}
	golden := filepath.Join("testdata", "frames.golden")
	if *rewrite {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}

func TestFramesReadBackAreWhatWasSent(t *testing.T) {
	c := newCodec()
	for _, g := range goldenFrames() {
		kind, body, err := c.open(c.frame(g.kind, g.msg))
		require.NoError(t, err)
		require.Equal(t, g.kind, kind)
		var back any
		switch kind {
		case frameHello:
			back, err = decode[helloFrame](c, body)
		case frameBye:
			back, err = decode[byeFrame](c, body)
		case frameMutations:
			back, err = decode[mutationsFrame](c, body)
		case frameAck:
			back, err = decode[ackFrame](c, body)
		case frameProbe:
			back, err = decode[probeFrame](c, body)
		case frameClocks:
			back, err = decode[clocksFrame](c, body)
		case framePull:
			back, err = decode[pullFrame](c, body)
		case frameChunk:
			back, err = decode[chunkFrame](c, body)
		case frameVerdict:
			back, err = decode[verdictFrame](c, body)
		case frameShadow:
			back, err = decode[shadowFrame](c, body)
		case frameBeat:
			back, err = decode[beatFrame](c, body)
		case frameAskSeals:
			back, err = decode[askSealsFrame](c, body)
		case frameSeals:
			back, err = decode[sealsFrame](c, body)
		case frameClosing:
			back, err = decode[closingFrame](c, body)
		case frameClosingReply:
			back, err = decode[closingReplyFrame](c, body)
		case frameSurvey:
			back, err = decode[surveyFrame](c, body)
		case frameSurveyed:
			back, err = decode[surveyedFrame](c, body)
		case frameInspect:
			back, err = decode[inspectFrame](c, body)
		case frameInspected:
			back, err = decode[inspectedFrame](c, body)
		case frameDisputed:
			back, err = decode[disputedFrame](c, body)
		case frameAskObjects:
			back, err = decode[askObjectsFrame](c, body)
		case frameObjects:
			back, err = decode[objectsFrame](c, body)
		case frameEnded:
			back, err = decode[endedFrame](c, body)
		}
		require.NoError(t, err)
		require.Equal(t, g.msg, back, g.name)
	}
}

func TestFrameWithBytesAfterItsEndIsRefused(t *testing.T) {
	c := newCodec()
	_, body, err := c.open(append(c.frame(frameBye, byeFrame{}), 0))
	require.NoError(t, err)
	_, err = decode[byeFrame](c, body)
	require.ErrorIs(t, err, errFrame)
}

func TestFrameOfAnotherProtocolVersionIsRefused(t *testing.T) {
	_, _, err := newCodec().open([]byte{protocolVersion + 1, byte(frameHello)})
	require.ErrorIs(t, err, errFrame)
}
