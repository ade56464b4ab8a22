package abitest

import "context"

// Resolver is what the kit asks.
type Resolver = resolver

// RunThrough is Run with something between the kit and the probe, so that the kit's tests can spoil what comes and goes.
func RunThrough(ctx context.Context, module []byte, between func(Resolver) Resolver) (Report, error) {
	return run(ctx, module, between)
}
