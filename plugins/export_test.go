package plugins

import (
	"context"

	"github.com/kvnode/kvnode/plugins/abi"
)

// Call is a call of a handler that runs in a goroutine of its own.
type Call struct {
	module   *Module
	instance *instance
	ended    chan error
}

// Begin begins a call that Wait must end.
func Begin(ctx context.Context, m *Module, in Input) (*Call, error) {
	i, err := m.take(ctx, m.pool)
	if err != nil {
		return nil, err
	}
	c := &Call{module: m, instance: i, ended: make(chan error, 1)}
	var frame abi.Frame
	in.fill(&frame)
	go func() {
		var v Verdict
		c.ended <- i.resolve(&frame, frame.Size(), &m.limits, &v)
	}()
	return c, nil
}

// Left is the fuel that the call has, below zero when it has used up all. It may be asked for while the call runs.
func (c *Call) Left() int64 { return c.instance.left() }

// Wait waits for the end of the call and returns its error.
func (c *Call) Wait() error {
	err := <-c.ended
	c.module.giveBack(c.instance, err)
	return err
}

// Guard makes a panic over a module an error about it.
func Guard(work func() error) error { return guard("the test", work) }

// Imports returns the signatures of everything that a module may import, by "module.name".
func Imports() map[string]string {
	signatures := map[string]string{}
	for name, f := range allowedImports() {
		signatures[name] = f.signature
	}
	return signatures
}

// NumReused counts the idle instances of a module that calls have left as they are.
func NumReused(m *Module) int {
	m.reused.pool.mu.Lock()
	defer m.reused.pool.mu.Unlock()
	n := len(m.reused.pool.idle)
	if m.reused.pool.hot.Load() != nil {
		n++
	}
	return n
}
