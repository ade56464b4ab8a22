package kvnode

import (
	"context"
	"errors"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/replica"
	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/builtin"
)

// resolver shows the plugins' host to the engine.
type resolver struct{ host *plugins.Host }

// Check implements engine.Resolver.
func (r resolver) Check(ctx context.Context, module []byte, l engine.Limits) (engine.ModuleInfo, error) {
	info, err := r.host.Check(ctx, module, hostLimits(l))
	switch {
	case errors.Is(err, plugins.ErrModule):
		return engine.ModuleInfo{}, hostError{error: err, kind: engine.ErrBadModule}
	case errors.Is(err, plugins.ErrConfig):
		return engine.ModuleInfo{}, hostError{error: err, kind: engine.ErrBadLimits}
	}
	return engine.ModuleInfo{Imports: info.Imports}, err
}

// hostError is an error of the engine with the host's words.
type hostError struct {
	error

	kind error
}

// Unwrap makes it both errors.
func (h hostError) Unwrap() []error { return []error{h.kind, h.error} }

// Load implements engine.Resolver.
func (r resolver) Load(ctx context.Context, module []byte, l engine.Limits) (engine.Judge, error) {
	m, err := r.host.Load(ctx, module, hostLimits(l))
	if err != nil {
		return nil, err
	}
	return judge{m}, nil
}

// Defaults implements engine.Resolver.
func (resolver) Defaults() engine.Limits {
	d := plugins.DefaultLimits()
	return engine.Limits{MemoryBytes: d.MemoryBytes, Fuel: d.Fuel, OutputBytes: d.OutputBytes, Reset: engine.Reset(d.Reset)}
}

// Rewriter implements engine.Resolver.
func (resolver) Rewriter() int { return plugins.Rewriter }

func hostLimits(l engine.Limits) plugins.Limits {
	return plugins.Limits{MemoryBytes: l.MemoryBytes, Fuel: l.Fuel, OutputBytes: l.OutputBytes, Reset: plugins.Reset(l.Reset)}
}

// judge shows one loaded module to the engine.
type judge struct{ m *plugins.Module }

// Judge implements engine.Judge.
func (j judge) Judge(ctx context.Context, key string, versions []replica.Version, base *replica.Version) (engine.Verdict, error) {
	in := plugins.Input{Key: []byte(key), Versions: make([]plugins.Version, len(versions))}
	for i, v := range versions {
		in.Versions[i] = inputVersion(v)
	}
	if base != nil {
		b := inputVersion(*base)
		in.Base = &b
	}
	v, err := j.m.Resolve(ctx, in)
	if trap, ok := errors.AsType[*plugins.Trap](err); ok {
		return engine.Verdict{}, &engine.Trap{Reason: trap.Reason, Fuel: trap.Fuel}
	}
	if err != nil {
		return engine.Verdict{}, err
	}
	if v.Kind == plugins.Pick && in.Versions[v.Index].Deleted {
		return engine.Verdict{Kind: engine.VerdictDelete, Fuel: v.Fuel}, nil
	}
	return engine.Verdict{Kind: verdictKind(v.Kind), Value: v.Value, Reason: v.Message, Fuel: v.Fuel}, nil
}

func inputVersion(v replica.Version) plugins.Version {
	return plugins.Version{Value: v.Value, Time: uint64(v.Stamp), Origin: v.Dot.Actor.Origin(), Deleted: v.Deleted}
}

func verdictKind(k plugins.Kind) engine.VerdictKind {
	switch k {
	case plugins.Set, plugins.Pick:
		return engine.VerdictValue
	case plugins.Delete:
		return engine.VerdictDelete
	case plugins.Failed:
		return engine.VerdictError
	case plugins.Keep:
	}
	return engine.VerdictKeep
}

// Doubt implements engine.Doubter.
func (j judge) Doubt() error { return j.m.Doubt() }

// Close implements engine.Judge.
func (j judge) Close() error { return j.m.Close(context.Background()) }

// Builtins lists the names of the handlers that every node brings along, in their order.
func Builtins() []string {
	var names []string
	for _, h := range builtin.All() {
		names = append(names, h.Name)
	}
	return names
}

// builtinHandler finds a handler that every node brings along.
func builtinHandler(name string) (engine.Builtin, bool) {
	h, ok := builtin.Find(name)
	if !ok {
		return engine.Builtin{}, false
	}
	return engine.Builtin{Module: h.Module(), Limits: engine.Limits{Fuel: h.Fuel}, Check: h.Report()}, true
}
