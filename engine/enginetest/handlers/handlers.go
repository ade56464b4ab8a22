// Package handlers judges conflicts with Go functions in place of WebAssembly modules, for tests and simulations.
package handlers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/replica"
)

// Resolver is an engine.Resolver whose modules are the names of these Go functions: "union" (of comma-separated words), "latest", "remove" (a delete wins), "delete", "keep",
// "fail", "trap" (always), "some 30" (traps on 30 % of the keys, shows the latest of all else), "poison" (traps on the key poison, unions all else),
// "broken" (a failure of the host), "base" (the base, or "?", with ">" and the union). Anything else is a bad module.
type Resolver struct{}

var (
	_ engine.Resolver = Resolver{}
	_ engine.Judge    = handler("")
	_ engine.Judge    = some(0)
)

// Check implements engine.Resolver.
func (Resolver) Check(_ context.Context, module []byte, _ engine.Limits) (engine.ModuleInfo, error) {
	names := []string{"union", "latest", "remove", "delete", "keep", "fail", "trap", "some", "poison", "broken", "base"}
	name, _, _ := strings.Cut(string(module), " ") // what follows only makes other bytes of the same handler
	if !slices.Contains(names, name) {
		return engine.ModuleInfo{}, fmt.Errorf("%w: %.20q", engine.ErrBadModule, module)
	}
	return engine.ModuleInfo{Imports: []string{"handlers." + name}}, nil
}

// Load implements engine.Resolver.
func (Resolver) Load(_ context.Context, module []byte, _ engine.Limits) (engine.Judge, error) {
	name, rest, _ := strings.Cut(string(module), " ")
	if name != "some" {
		return handler(name), nil
	}
	share, _, _ := strings.Cut(rest, " ")
	percent, err := strconv.ParseUint(share, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("the share of keys: %w", err)
	}
	return some(percent), nil
}

// Defaults implements engine.Resolver.
func (Resolver) Defaults() engine.Limits {
	return engine.Limits{MemoryBytes: 1 << 20, Fuel: 1000, OutputBytes: 1 << 10, Reset: engine.ResetStrict}
}

// Rewriter implements engine.Resolver.
func (Resolver) Rewriter() int { return 1 }

type handler string

// Judge implements engine.Judge.
func (h handler) Judge(_ context.Context, key string, versions []replica.Version, base *replica.Version) (engine.Verdict, error) {
	switch {
	case h == "trap", h == "poison" && key == "poison":
		return engine.Verdict{}, &engine.Trap{Reason: "unreachable"}
	case h == "union", h == "poison":
		return engine.Verdict{Kind: engine.VerdictValue, Value: union(versions)}, nil
	case h == "latest":
		return pick(versions[len(versions)-1]), nil
	case h == "remove":
		at := slices.IndexFunc(versions, func(v replica.Version) bool { return v.Deleted })
		return pick(versions[max(at, 0)]), nil
	case h == "base":
		return engine.Verdict{Kind: engine.VerdictValue, Value: sinceBase(versions, base)}, nil
	case h == "delete":
		return engine.Verdict{Kind: engine.VerdictDelete}, nil
	case h == "fail":
		return engine.Verdict{Kind: engine.VerdictError, Reason: "the handler's own error"}, nil
	case h == "broken":
		return engine.Verdict{}, errors.New("no memory for an instance")
	}
	return engine.Verdict{Kind: engine.VerdictKeep}, nil
}

// pick lets a version win.
func pick(v replica.Version) engine.Verdict {
	if v.Deleted {
		return engine.Verdict{Kind: engine.VerdictDelete}
	}
	return engine.Verdict{Kind: engine.VerdictValue, Value: v.Value}
}

// sinceBase is the value of the base, and what became of it.
func sinceBase(versions []replica.Version, base *replica.Version) []byte {
	if base == nil {
		return append([]byte("?>"), union(versions)...)
	}
	return append(append(slices.Clone(base.Value), '>'), union(versions)...)
}

func union(versions []replica.Version) []byte {
	var words []string
	for _, v := range versions {
		if !v.Deleted {
			words = append(words, strings.Split(string(v.Value), ",")...)
		}
	}
	slices.Sort(words)
	return []byte(strings.Join(slices.Compact(words), ","))
}

// Close implements engine.Judge.
func (handler) Close() error { return nil }

// some traps on this share of the keys, in percent.
type some uint64

// Judge implements engine.Judge.
func (s some) Judge(ctx context.Context, key string, versions []replica.Version, base *replica.Version) (engine.Verdict, error) {
	if xxh3.HashString(key)%100 < uint64(s) {
		return handler("trap").Judge(ctx, key, versions, base)
	}
	return handler("latest").Judge(ctx, key, versions, base)
}

// Close implements engine.Judge.
func (some) Close() error { return nil }
