package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// bringIn installs the built-in handler of that name, when there is one and no module of that name is installed.
func (e *Engine) bringIn(ctx context.Context, name string) error {
	module, limits, ok := e.core.cfg.Builtin(name)
	if !ok {
		return nil
	}
	for _, p := range e.core.space.plugins() {
		if p.Name == name {
			return nil
		}
	}
	if _, err := e.InstallPlugin(ctx, name, module, limits); err != nil {
		return fmt.Errorf("install the built-in handler %s: %w", name, err)
	}
	return nil
}

// isTaken says whether a name belongs to a built-in handler, and the module is another one.
func (c *Core) isTaken(name string, module []byte) bool {
	own, _, ok := c.cfg.Builtin(name)
	return ok && !bytes.Equal(own, module)
}

// isBuiltin says whether a record is of the handler that this node brings along under the name.
func (c *Core) isBuiltin(r pluginRecord) bool {
	own, _, ok := c.cfg.Builtin(r.Name)
	if !ok || len(own) != r.Size {
		return false
	}
	sum := sha256.Sum256(own)
	return hex.EncodeToString(sum[:]) == r.SHA256
}
