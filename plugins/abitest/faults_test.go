package abitest_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/abitest"
)

// fault is a probe with one fault: what it sees, or what it answers, is not what it should be.
type fault struct {
	probe abitest.Resolver
	in    func(*plugins.Input)
	out   func(plugins.Input, plugins.Verdict, error) (plugins.Verdict, error)
}

func (f fault) Resolve(ctx context.Context, in plugins.Input) (plugins.Verdict, error) {
	seen := in
	seen.Versions = append([]plugins.Version(nil), in.Versions...)
	if f.in != nil {
		f.in(&seen)
	}
	v, err := f.probe.Resolve(ctx, seen)
	if f.out != nil {
		return f.out(in, v, err)
	}
	return v, err
}

// answer makes a fault of the answer of some calls.
func answer(when func(plugins.Input, plugins.Verdict) bool, v plugins.Verdict) fault {
	return fault{out: func(in plugins.Input, got plugins.Verdict, err error) (plugins.Verdict, error) {
		if when(in, got) {
			return v, nil
		}
		return got, err
	}}
}

// key says whether a conflict has this key.
func key(want string) func(plugins.Input, plugins.Verdict) bool {
	return func(in plugins.Input, _ plugins.Verdict) bool { return string(in.Key) == want }
}

// cut ends a value before its first zero byte, as C's strings do.
func cut(in *plugins.Input) {
	for i := range in.Versions {
		in.Versions[i].Value, _, _ = bytes.Cut(in.Versions[i].Value, []byte{0})
	}
}

// origins changes the numbers that a probe sees.
func origins(change func(uint64) uint64) func(*plugins.Input) {
	return func(in *plugins.Input) {
		for i := range in.Versions {
			in.Versions[i].Origin = change(in.Versions[i].Origin)
		}
	}
}

// TestEveryFaultIsFound gives the kit probes that conform but for one thing, and names the first check that fails.
func TestEveryFaultIsFound(t *testing.T) {
	calls := uint64(0)
	for want, f := range map[string]fault{
		"keep":   answer(key("keep"), plugins.Verdict{Kind: plugins.Delete}),
		"delete": answer(key("delete"), plugins.Verdict{Kind: plugins.Set}),
		"pick: version 1": answer(key("pick:1"), plugins.Verdict{
			Kind: plugins.Pick, Value: []byte("a"),
		}),
		"pick: a version that does not exist": answer(key("pick:2"), plugins.Verdict{Kind: plugins.Pick, Index: 1}),
		"set: nothing":                        answer(key("set:"), plugins.Verdict{Kind: plugins.Keep}),
		"set: a colon":                        answer(key("set:a:b"), plugins.Verdict{Kind: plugins.Set, Value: []byte("a")}),
		"error: text":                         answer(key("error:not a cart"), plugins.Verdict{Kind: plugins.Failed}),
		"error: UTF-8":                        answer(key("error:käse 🧀"), plugins.Verdict{Kind: plugins.Failed, Message: "k"}),
		"error: unknown command":              answer(key("dance"), plugins.Verdict{Kind: plugins.Keep}),
		"log": {in: func(in *plugins.Input) {
			if strings.HasPrefix(string(in.Key), "log:") {
				in.Key = []byte("keep")
			}
		}},
		"trap": answer(key("trap"), plugins.Verdict{Kind: plugins.Failed, Message: "as asked"}),
		"grow: 70000 bytes": answer(key("grow:70000"), plugins.Verdict{
			Kind: plugins.Set, Value: make([]byte, 65536),
		}),
		"echo: binary key and values": {in: cut},
		"echo: a delete": {in: func(in *plugins.Input) {
			for i := range in.Versions {
				in.Versions[i].Deleted = false
			}
		}},
		"echo: numbers about 2^53": {in: origins(func(n uint64) uint64 { return uint64(float64(n)) })},
		"echo: numbers about 2^63": {in: origins(func(n uint64) uint64 { return n & (1<<63 - 1) })},
		"echo: a base": {in: func(in *plugins.Input) {
			if in.Base != nil && len(in.Base.Value) > 1 {
				in.Base = nil
			}
		}},
		"echo: an empty base": {in: func(in *plugins.Input) {
			if in.Base != nil && len(in.Base.Value) == 0 {
				in.Base = nil
			}
		}},
		"echo: 256 versions": {in: func(in *plugins.Input) { in.Versions = in.Versions[:min(len(in.Versions), 255)] }},
		"echo: a frame of 64 KiB and 8 bytes": answer(func(in plugins.Input, _ plugins.Verdict) bool {
			return len(in.Versions[0].Value) > 65536-64-64-8-8
		}, plugins.Verdict{Kind: plugins.Failed, Message: "the handler has no room"}),
		"echo: a small frame after a large one": answer(key("echo:after"), plugins.Verdict{Kind: plugins.Set}),
		"set: every byte": {out: func(in plugins.Input, v plugins.Verdict, err error) (plugins.Verdict, error) {
			if calls++; bytes.ContainsRune(in.Key, 0) {
				v.Fuel += calls
			}
			return v, err
		}},
		"set: text": {out: func(in plugins.Input, v plugins.Verdict, err error) (plugins.Verdict, error) {
			if calls++; string(in.Key) == "set:plum" && calls%3 == 0 {
				v.Value = append(v.Value, '!')
			}
			return v, err
		}},
	} {
		report, err := abitest.RunThrough(t.Context(), readProbe(t, "c"), func(probe abitest.Resolver) abitest.Resolver {
			f.probe = probe
			return f
		})
		require.NoError(t, err, want)
		require.NotEmpty(t, report.Failed(), want)
		require.Equal(t, want, report.Failed()[0].Name)
		require.Contains(t, report.String(), "FAILED       "+want+": ")
	}
}

func TestAProbeMayHaveNoLog(t *testing.T) {
	mute := answer(key("log:pears are out"), plugins.Verdict{Kind: plugins.Failed, Message: "unsupported"})
	report, err := abitest.RunThrough(t.Context(), readProbe(t, "c"), func(probe abitest.Resolver) abitest.Resolver {
		mute.probe = probe
		return mute
	})
	require.NoError(t, err)
	require.Empty(t, report.Failed())
	require.Contains(t, report.String(), "unsupported  log\n")
	require.Contains(t, report.String(), " ok, 1 unsupported, 0 failed\n")
}

func TestTheKitSaysWhyItCannotLoadAModule(t *testing.T) {
	_, err := abitest.Run(t.Context(), []byte("no module"))
	require.ErrorIs(t, err, plugins.ErrNotModule)
}

// readProbe returns the committed module of a probe.
func readProbe(tb testing.TB, language string) []byte {
	tb.Helper()
	module, err := os.ReadFile("probe/" + language + "/probe.wasm")
	require.NoError(tb, err)
	return module
}
