package sim

import (
	"context"
	"errors"

	"github.com/kvnode/kvnode/engine"
)

// create, drop, install and activate change the catalogue at a node. The errors they may meet are few.

func (n *node) create(table string, o engine.TableOptions) error {
	return n.alter("create "+table+" "+o.String(), func(ctx context.Context, e *engine.Engine) error {
		_, err := e.CreateTable(ctx, table, o)
		return err
	}, engine.ErrTableExists)
}

func (n *node) drop(table string) error {
	return n.alter("drop "+table, func(ctx context.Context, e *engine.Engine) error { return e.DropTable(ctx, table) }, engine.ErrNoTable)
}

func (n *node) install(name, module string) error {
	return n.alter("install "+module+" as "+name, func(ctx context.Context, e *engine.Engine) error {
		_, err := e.InstallPlugin(ctx, name, []byte(module), engine.Limits{})
		return err
	})
}

func (n *node) activate(table, plugin string) error {
	return n.alter("activate "+plugin+" for "+table, func(ctx context.Context, e *engine.Engine) error {
		_, err := e.Activate(ctx, table, plugin)
		return err
	}, engine.ErrNoTable, engine.ErrNoPlugin)
}

func (n *node) alter(what string, call func(ctx context.Context, e *engine.Engine) error, expected ...error) error {
	err := n.invoke(what, call, func(nodes int, err error) {
		n.w.answered(n, what, nodes, err)
	})
	n.observe()
	if err == nil || errors.Is(err, engine.ErrNotReady) {
		return err
	}
	for _, e := range expected {
		if errors.Is(err, e) {
			return err
		}
	}
	n.w.fail("%s: %s: %w", n.name, what, err)
	return err
}
