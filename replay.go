package kvnode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/plugins"
)

// ReplayOffline runs a module that need not be installed anywhere on recorded conflicts, in this process and in the way in which a node would, and says what
// would change; see [engine.Engine.Replay]. The error wraps engine.ErrBadModule when the module cannot be a handler.
func ReplayOffline(ctx context.Context, module []byte, l Limits, conflicts []Conflict) (replayed []Replayed, err error) {
	host, err := plugins.NewHost(plugins.Config{})
	if err != nil {
		return nil, fmt.Errorf("handlers: %w", err)
	}
	defer func() { err = errors.Join(err, host.Close(context.WithoutCancel(ctx))) }()
	r := resolver{host: host}
	if _, err := r.Check(ctx, module, l); err != nil {
		return nil, err
	}
	judge, err := r.Load(ctx, module, l)
	if err != nil {
		return nil, err
	}
	return engine.ReplayOn(ctx, judge, conflicts, time.Now)
}
