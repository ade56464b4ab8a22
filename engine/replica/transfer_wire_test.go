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
	sums := strings.Repeat("s", 32)
	for name, b := range map[string]string{
		"another version":                  "\x02\x00" + id(0) + "\x00",
		"an unknown stage":                 "\x01\x09",
		"a question after the end":         "\x01\x03",
		"a clock that is not canonical":    "\x01\x02\x01" + id(1) + "\x00\x00\x00\x00",
		"more items than bytes":            "\x01\x02\x00\x00\xff\xff\x03",
		"a span that is too small":         "\x01\x02\x00\x00\x01\x84\x01\x00" + sums,
		"a span without quarters":          "\x01\x02\x00\x00\x01\x80\x01\x00" + sums,
		"a span of odd size":               "\x01\x02\x00\x00\x01\x02\x00" + sums,
		"bits outside the span":            "\x01\x02\x00\x00\x01\x04\x04" + sums,
		"an item without versions":         "\x01\x02\x00\x00\x01\x01\x00\x00\x00\x00",
		"an actor that is not in the list": "\x01\x02\x00\x00\x01\x01\x00\x01\x00\x00\x01",
		"a version outside its span":       "\x01\x02\x00\x01" + id(1) + "\x01\x7d\x00\x01\x04\x00\x01",
	} {
		_, err := replica.ParseQuestion([]byte(b))
		require.ErrorIs(t, err, replica.ErrMalformed, name)
	}
	for name, b := range map[string]string{
		"an unknown part":                 "\x01\x42\x01\x00\x00",
		"bits after the last verdict":     "\x01\x22\x01\x02\x01\x00\x00",
		"more verdicts than bytes":        "\x01\x22\xff\xff\xff\xff\x7f",
		"a clock that is not canonical":   "\x01\x12\x01" + id(1) + "\x00\x00\x01\x00\x00",
		"a delta that is not one":         "\x01\x02\x07",
		"an actor where a place belongs":  "\x01\x01" + id(1),
		"a place where an actor belongs":  "\x01\x00" + "12345678",
		"nothing but the version":         "\x01",
		"a delta of another wire version": "\x01\x03\x02\x00\x00",
	} {
		_, err := replica.ParseAnswer([]byte(b))
		require.ErrorIs(t, err, replica.ErrMalformed, name)
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
		plan := a.Plan(clock.Clock{}, true)
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
