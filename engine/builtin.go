package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// Builtin is a handler that a node brings along.
type Builtin struct {
	Module []byte
	Limits Limits
	// Check is its check report; see ReadCheck. None when empty.
	Check []byte
}

// bringIn installs the built-in handler of that name, when there is one and no module of that name is installed.
func (e *Engine) bringIn(ctx context.Context, name string) error {
	own, ok := e.core.cfg.Builtin(name)
	if !ok {
		return nil
	}
	for _, p := range e.core.space.plugins() {
		if p.Name == name {
			return nil
		}
	}
	if _, err := e.InstallPlugin(ctx, name, own.Module, own.Limits, WithCheck(own.Check)); err != nil {
		return fmt.Errorf("install the built-in handler %s: %w", name, err)
	}
	return nil
}

// idleBuiltinError is ErrNoPlugin for a built-in handler that is not installed yet, and cannot be installed by hand.
type idleBuiltinError struct{ name string }

func (e *idleBuiltinError) Error() string {
	return fmt.Sprintf("plugin %s is not installed yet: it is built-in, 'kvnode plugin activate TABLE %s' brings it in", e.name, e.name)
}

func (e *idleBuiltinError) Unwrap() error { return ErrNoPlugin }

// explain replaces ErrNoPlugin where the reference is the name of a built-in handler.
func (c *Core) explain(ref string, err error) error {
	if !errors.Is(err, ErrNoPlugin) {
		return err
	}
	if _, ok := c.cfg.Builtin(ref); ok {
		return &idleBuiltinError{name: ref}
	}
	return err
}

// isTaken says whether a name belongs to a built-in handler, and the module is another one.
func (c *Core) isTaken(name string, module []byte) bool {
	own, ok := c.cfg.Builtin(name)
	return ok && !bytes.Equal(own.Module, module)
}

// isBuiltin says whether a record is of the handler that this node brings along under the name.
func (c *Core) isBuiltin(r pluginRecord) bool {
	own, ok := c.cfg.Builtin(r.Name)
	return ok && len(own.Module) == r.Size && hashOf(own.Module) == r.SHA256
}
