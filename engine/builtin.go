package engine

import (
	"context"
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
