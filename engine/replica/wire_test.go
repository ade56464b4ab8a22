package replica_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// genDelta draws a delta as a replica could send it.
func genDelta() *rapid.Generator[replica.Delta] {
	return rapid.Custom(func(t *rapid.T) replica.Delta {
		c := genClock().Draw(t, "clock")
		d := replica.Delta{Base: c.Bases()}
		for i := range rapid.IntRange(0, 4).Draw(t, "objects") {
			p := replica.Packed{Key: fmt.Sprint("key", i), Object: replica.Strip(genObject().Draw(t, "object"), c)}
			for b := byte(1); b <= 4; b++ {
				for _, n := range []uint64{1, 3, math.MaxUint64} {
					if rapid.Bool().Draw(t, "dot") {
						p.Dots = append(p.Dots, dot(b, n))
					}
				}
			}
			d.Objects = append(d.Objects, p)
		}
		return d
	})
}

func TestDeltaSurvivesItsEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := genDelta().Draw(t, "delta")
		parsed, err := replica.ParseDelta(d.AppendBinary([]byte("before"))[len("before"):])
		require.NoError(t, err)
		require.Equal(t, d, parsed)
	})
}

func TestTruncatedAndExtendedMessagesAreRefused(t *testing.T) {
	a := open(1)
	put(t, a, "k", "v")
	write(t, a, replica.Write{Key: "k", Value: []byte("w"), Context: clock.Context{actor(2): 3}})
	write(t, a, replica.Write{Key: "k", Delete: true, Visible: true, Context: clock.Context{}})
	d, _ := a.Drain(1 << 20)
	delta := d.AppendBinary(nil)
	for n := range delta {
		_, err := replica.ParseDelta(delta[:n])
		require.ErrorIs(t, err, replica.ErrMalformed, "%d bytes", n)
	}
	_, err := replica.ParseDelta(append(delta, 0))
	require.ErrorIs(t, err, replica.ErrMalformed)
}

func TestMessagesThatContradictThemselvesAreRefused(t *testing.T) {
	id := func(b byte) string { x := actor(b).Bytes(); return string(x[:]) }
	const stamp = "\x00\x00\x00\x00\x00\x00\x00\x01"
	ofOne := "\x01\x01" + id(1) + "\x03\x01\x01k\x01\x00\x03" + stamp + "\x01v\x00\x00" // an object, up to its ancestors
	_, err := replica.ParseDelta([]byte(ofOne + "\x02\x00\x01" + stamp + "\x00" + "\x01\x01\x01"))
	require.NoError(t, err)
	for name, b := range map[string]string{
		"another version":                     "\x02\x00\x00",
		"the zero actor":                      "\x01\x01" + id(0) + "\x01\x00",
		"actors out of order":                 "\x01\x02" + id(2) + id(1) + "\x01\x01\x00",
		"more objects than bytes":             "\x01\x00\xff\xff\x03",
		"a number that is too long":           "\x01\x80\x00\x00",
		"an actor that is not in the list":    "\x01\x01" + id(1) + "\x01\x01\x01k\x01\x07\x01" + stamp + "\x01v\x00\x00",
		"a version that is not covered":       "\x01\x01" + id(1) + "\x01\x01\x01k\x01\x00\x02" + stamp + "\x01v\x00\x00",
		"a version without a counter":         "\x01\x01" + id(1) + "\x01\x01\x01k\x01\x00\x00" + stamp + "\x01v\x00\x00",
		"a delete without a counter":          "\x01\x01" + id(1) + "\x01\x01\x01k\x01\x00\x00\x00" + stamp + "\x00\x00",
		"versions out of order":               "\x01\x01" + id(1) + "\x02\x01\x01k\x02\x00\x02" + stamp + "\x00\x00\x01" + stamp + "\x00\x00\x00",
		"a context that adds nothing":         "\x01\x01" + id(1) + "\x01\x01\x01k\x00\x01\x00\x00\x00",
		"a context off the scale":             "\x01\x01" + id(1) + "\x01\x01\x01k\x00\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00",
		"the same actor twice in one context": "\x01\x01" + id(1) + "\x01\x01\x01k\x00\x02\x00\x01\x00\x01\x00",
		"the same dot twice":                  "\x01\x01" + id(1) + "\x01\x01\x01k\x00\x00\x02\x00\x01\x00\x00",
		"an ancestor without a counter":       ofOne + "\x02\x00\x00" + stamp + "\x00" + "\x01\x00\x01",
		"ancestors out of order":              ofOne + "\x03\x00\x02" + stamp + "\x00\x00\x01" + stamp + "\x00" + "\x01\x00\x01",
		"an ancestor with half a value":       ofOne + "\x02\x00\x01" + stamp + "\x03" + "\x01\x00\x01",
		"a past beyond the ancestors":         ofOne + "\x02\x00\x01" + stamp + "\x00" + "\x01\x00\x03",
		"a past of more than the ancestors":   ofOne + "\x02\x00\x01" + stamp + "\x00" + "\x02\x00\x01\x01",
		"an ancestor that is not older":       ofOne + "\x02\x00\x04" + stamp + "\x00" + "\x01\x00\x01",
		"a gap after the end of a past":       ofOne + "\x02\x00\x01" + stamp + "\x00" + "\x01\x02\x01",
		"dots of actors out of order":         "\x01\x02" + id(1) + id(2) + "\x01\x01\x01\x01k\x00\x00\x02\x01\x01\x00\x01",
	} {
		_, err := replica.ParseDelta([]byte(b + "\x00"))
		require.ErrorIs(t, err, replica.ErrMalformed, name)
	}
}

func TestObjectsThatContradictThemselvesAreRefused(t *testing.T) {
	uncovered := replica.Object{Versions: []replica.Version{version(2, 1)}}
	disordered := replica.Object{Versions: []replica.Version{version(2, 2), version(2, 1)}, Context: clock.Context{actor(2): 2}}
	for _, o := range []replica.Object{uncovered, disordered} {
		a := open(1)
		_, err := a.Receive(replica.Delta{Objects: []replica.Packed{{Key: "k", Object: o}}})
		require.ErrorIs(t, err, replica.ErrMalformed)
		require.Zero(t, a.Len())
	}
}

// TestMessagesStayAsTheyAre holds the encodings against testdata/wire; -rewrite writes it anew. The input is read by parseMessage.
func TestMessagesStayAsTheyAre(t *testing.T) {
	datadriven.RunTest(t, "testdata/wire", func(t *testing.T, d *datadriven.TestData) string {
		t.Helper()
		delta := parseMessage(t, d.Input)
		b := delta.AppendBinary(nil)
		parsed, err := replica.ParseDelta(b)
		require.NoError(t, err)
		require.Equal(t, delta, parsed)
		return hex.Dump(b)
	})
}

// parseMessage reads a delta. A dot is the byte that all of its actor are, a colon and a counter. Lines are
//
//	base DOT ...        key KEY        version DOT STAMP VALUE        delete DOT STAMP        context DOT ...        dots DOT ...
func parseMessage(t *testing.T, input string) replica.Delta {
	t.Helper()
	d := replica.Delta{Base: clock.Context{}}
	for line := range strings.Lines(input) {
		fields := strings.Fields(line)
		last := len(d.Objects) - 1
		switch verb, args := fields[0], fields[1:]; verb {
		case "base":
			d.Base = contextOf(t, args)
		case "key":
			d.Objects = append(d.Objects, replica.Packed{Key: args[0]})
		case "version", "delete":
			stamp, err := strconv.ParseUint(args[1], 10, 64)
			require.NoError(t, err)
			v := replica.Version{Dot: parseDot(t, args[0]), Stamp: clock.Timestamp(stamp), Deleted: verb == "delete"}
			if !v.Deleted {
				v.Value = []byte(args[2])
			}
			d.Objects[last].Object.Versions = append(d.Objects[last].Object.Versions, v)
		case "context":
			d.Objects[last].Object.Context = contextOf(t, args)
		case "dots":
			for _, arg := range args {
				d.Objects[last].Dots = append(d.Objects[last].Dots, parseDot(t, arg))
			}
		default:
			require.Fail(t, "unknown line", line)
		}
	}
	return d
}

func contextOf(t *testing.T, dots []string) clock.Context {
	t.Helper()
	ctx := clock.Context{}
	for _, text := range dots {
		d := parseDot(t, text)
		ctx[d.Actor] = d.Counter
	}
	return ctx
}

func parseDot(t *testing.T, text string) clock.Dot {
	t.Helper()
	var id byte
	var counter uint64
	_, err := fmt.Sscanf(text, "%x:%d", &id, &counter)
	require.NoError(t, err)
	return dot(id, counter)
}

func FuzzParseDelta(f *testing.F) {
	a := replica.New(actor(1), replica.Options{})
	for i := range 3 {
		if _, err := a.Write(replica.Write{Key: "k", Value: binary.AppendUvarint(nil, uint64(i)), Context: clock.Context{actor(2): 3}}); err != nil {
			f.Fatal(err)
		}
	}
	if _, err := a.Write(replica.Write{Key: "k", Delete: true, Visible: true, Context: clock.Context{}}); err != nil {
		f.Fatal(err)
	}
	if _, err := a.Write(replica.Write{Key: "k", Value: []byte("w")}); err != nil {
		f.Fatal(err)
	}
	f.Add(a.Pack([]string{"k"}, 1<<20).AppendBinary(nil))
	d, _ := a.Drain(1 << 20)
	f.Add(d.AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := replica.ParseDelta(b)
		if err != nil {
			require.ErrorIs(t, err, replica.ErrMalformed)
			return
		}
		again, err := replica.ParseDelta(d.AppendBinary(nil))
		require.NoError(t, err)
		require.Equal(t, d, again)
		receiveTwice(t, d)
	})
}

// receiveTwice checks that a hostile delta is either refused or taken once and for all.
func receiveTwice(t *testing.T, d replica.Delta) {
	t.Helper()
	r := replica.New(actor(0xee), replica.Options{MaxDotKeys: 8})
	if _, err := r.Receive(d); err != nil {
		require.ErrorIs(t, err, replica.ErrOwnActor)
		require.Zero(t, r.Clock().Len())
		return
	}
	sum, c := r.Sum(), r.Clock()
	_, err := r.Receive(d)
	require.NoError(t, err)
	require.True(t, c.Equal(r.Clock()))
	keys := map[string]bool{}
	for _, p := range d.Objects {
		keys[p.Key] = true
	}
	if len(keys) == len(d.Objects) { // a key that stands in a message twice may say one thing, then another
		require.Equal(t, sum, r.Sum())
	}
}
