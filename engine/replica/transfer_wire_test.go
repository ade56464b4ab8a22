package replica_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
)

// conversation returns every message of a full transfer, questions before their answers, of about maxBytes each.
func conversation(tb testing.TB, maxBytes int) [][]byte {
	tb.Helper()
	a, b := diverged(tb, 20)
	for i := range 4 {
		_, err := a.Write(replica.Write{Key: fmt.Sprint("key", i), Value: []byte("next")})
		require.NoError(tb, err)
		_, err = a.Write(replica.Write{Key: fmt.Sprint("key", i+4), Delete: true})
		require.NoError(tb, err)
	}
	a.Drain(1 << 20)
	a.Collect(nil)
	_, err := a.Write(replica.Write{Key: "logged", Value: []byte("v")})
	require.NoError(tb, err)
	x := begin(a, b, true)
	var frames [][]byte
	for !x.done {
		answer := x.answer(tb, maxBytes)
		frames = append(frames, x.asked.AppendBinary(nil), answer.AppendBinary(nil))
		x.take(tb, answer)
	}
	require.Equal(tb, a.Sum(), b.Sum())
	return frames
}

// TestTransferStaysAsItIs holds every message of one transfer against testdata/transfer; -rewrite writes it anew.
func TestTransferStaysAsItIs(t *testing.T) {
	datadriven.RunTest(t, "testdata/transfer", func(t *testing.T, _ *datadriven.TestData) string {
		t.Helper()
		var b strings.Builder
		for i, frame := range conversation(t, 120) {
			fmt.Fprintf(&b, "%s\n%s", []string{"question", "answer"}[i%2], hex.Dump(frame))
		}
		return b.String()
	})
}

func TestMessagesOfTransfersSurviveTheirEncoding(t *testing.T) {
	for i, frame := range conversation(t, 100) {
		if i%2 == 0 {
			q, err := replica.ParseQuestion(frame)
			require.NoError(t, err)
			require.Equal(t, frame, q.AppendBinary(nil))
			continue
		}
		a, err := replica.ParseAnswer(frame)
		require.NoError(t, err)
		require.Equal(t, frame, a.AppendBinary(nil))
	}
}

func TestTruncatedAndExtendedMessagesOfTransfersAreRefused(t *testing.T) {
	for i, frame := range conversation(t, 100) {
		parse := func(b []byte) error { _, err := replica.ParseQuestion(b); return err }
		if i%2 == 1 {
			parse = func(b []byte) error { _, err := replica.ParseAnswer(b); return err }
		}
		for n := range frame {
			require.ErrorIs(t, parse(frame[:n]), replica.ErrMalformed, "%d bytes of frame %d", n, i)
		}
		require.ErrorIs(t, parse(append(frame, 0)), replica.ErrMalformed)
	}
}

func TestQuestionsThatContradictThemselvesAreRefused(t *testing.T) {
	id := func(b byte) string { x := actor(b).Bytes(); return string(x[:]) }
	const compare = "\x01\x02\x00"
	for b, why := range map[string]string{
		"\x02\x00" + id(0) + "\x00": "unknown version",
		"\x01\x09":                  "unknown stage",
		"\x01\x03":                  "question after the end",
		"\x01\x02\x01" + id(1) + "\x00\x00\x00\x00":                "clock",
		compare + "\xff\x03":                                       "more things than bytes",
		compare + "\x81\x02" + strings.Repeat("\x00", 2*257+2):     "too many spans",
		compare + "\x01\x40\x00\x00\x00":                           "size of a span",
		compare + "\x01\x03\x00\x00\x00":                           "size of a span",
		compare + "\x01\x04\x10\x00\x00":                           "bits outside a span",
		compare + "\x01\x00\x01\x00\x00":                           "bits outside a span",
		compare + "\x00\x00\xff\x03":                               "more things than bytes",
		compare + "\x00\x01" + id(1) + "\x01\x03key\x00":           "key without versions",
		compare + "\x00\x00\x01\x03key\x01\x00\x01":                "actor that is not in the list",
		compare + "\x00\x02" + id(2) + id(1) + "\x01\x01k\x01\x00": "actors out of order",
		compare + "\x00\x00\x00\x00":                               "bytes after the end",
	} {
		_, err := replica.ParseQuestion([]byte(b))
		require.ErrorIs(t, err, replica.ErrMalformed, "%q", b)
		require.ErrorContains(t, err, why, "%q", b)
	}
	for b, why := range map[string]string{
		"\x01\x04":                                      "unknown stage",
		"\x01\x22\x00\x01\x00\x00":                      "number of sums",
		"\x01\x22\x02" + "12345678":                     "more things than bytes",
		"\x01\x42\x00\x01\x00\x00":                      "number of verdicts",
		"\x01\x42\x01\x02\x01\x00\x00":                  "bits after the last verdict",
		"\x01\x42\xff\xff\xff\xff\x7f":                  "number of verdicts",
		"\x01\x42\xff\xff\xff\xff\x07":                  "too short",
		"\x01\x12\x01" + id(1) + "\x00\x00\x01\x00\x00": "clock",
		"\x01\x02\x07":                                  "unknown version",
		"\x01\x01" + id(1):                              "more things than bytes",
		"\x01\x00" + "12345678":                         "too short",
		"\x01":                                          "too short",
		"\x01\x03\x02\x00\x00":                          "unknown version",
	} {
		_, err := replica.ParseAnswer([]byte(b))
		require.ErrorIs(t, err, replica.ErrMalformed, "%q", b)
		require.ErrorContains(t, err, why, "%q", b)
	}
}

func FuzzParseQuestion(f *testing.F) {
	for i, frame := range conversation(f, 100) {
		if i%2 == 0 {
			f.Add(frame)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := replica.ParseQuestion(b)
		if err != nil {
			require.ErrorIs(t, err, replica.ErrMalformed)
			return
		}
		a, _ := diverged(t, 20)
		plan := a.Plan(clock.Actor{}, clock.Clock{}, true)
		answer := replica.NewAnswer(q)
		if _, err := a.Answer(plan, q, answer, 1<<10); err != nil {
			require.ErrorIs(t, err, replica.ErrStale)
			return
		}
		_, err = replica.ParseAnswer(answer.AppendBinary(nil))
		require.NoError(t, err)
	})
}

func FuzzParseAnswer(f *testing.F) {
	for i, frame := range conversation(f, 100) {
		if i%2 == 1 {
			f.Add(frame)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := replica.ParseAnswer(b)
		if err != nil {
			require.ErrorIs(t, err, replica.ErrMalformed)
			return
		}
		r := replica.New(actor(0xee), replica.Options{MaxDotKeys: 8})
		in := r.Begin()
		if _, done, err := r.Take(in, a); err == nil && !done {
			r.Ask(in, 1<<10)
		}
	})
}
