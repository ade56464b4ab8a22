package sim

import (
	"context"
	"errors"
	"slices"

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
	n.w.countDrop()
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

// changeShadow starts a shadow for the table, of any module of its name, or ends the one that it has.
func (n *node) changeShadow(table string) {
	all := n.versions(table)
	if len(all) == 0 || n.w.chance(0.2) {
		_ = n.alter("end the shadow of "+table, func(ctx context.Context, e *engine.Engine) error {
			_, err := e.EndShadow(ctx, table)
			return err
		}, engine.ErrNoTable, engine.ErrNoShadow)
		return
	}
	ref := pick(n.w, all).SHA256
	_ = n.alter("shadow "+table+" by "+ref, func(ctx context.Context, e *engine.Engine) error {
		_, err := e.ActivateShadow(ctx, table, ref)
		return err
	}, engine.ErrNoTable, engine.ErrNoPlugin)
}

// stepBack goes back to the handler before the one in force.
func (n *node) stepBack(table string) {
	err := n.alter("roll back "+table, func(ctx context.Context, e *engine.Engine) error {
		_, err := e.Rollback(ctx, table)
		return err
	}, engine.ErrNoTable, engine.ErrNoEarlier)
	if err == nil {
		n.w.counts[CountStepBack]++
	}
}

// disable takes the table's handler out of service.
func (n *node) disable(table string) {
	err := n.alter("disable the handler of "+table, func(ctx context.Context, e *engine.Engine) error {
		_, err := e.Disable(ctx, table)
		return err
	}, engine.ErrNoTable, engine.ErrNoHandler)
	if err == nil {
		n.w.counts[CountDisable]++
	}
}

// remove removes a module of the table's name, if nobody uses it as far as the node knows.
func (n *node) remove(table string) {
	all := n.versions(table)
	if len(all) == 0 {
		return
	}
	ref := pick(n.w, all).SHA256
	err := n.alter("remove "+ref, func(ctx context.Context, e *engine.Engine) error { return e.RemovePlugin(ctx, table+"@"+ref) },
		engine.ErrNoPlugin, engine.ErrPluginInUse)
	if err == nil {
		n.w.counts[CountRemove]++
	}
}

// versions are the modules that are installed under the table's name, earliest first.
func (n *node) versions(table string) []engine.PluginInfo {
	return slices.DeleteFunc(n.plugins(), func(p engine.PluginInfo) bool { return p.Name != table })
}

// rollBack activates some module that has been installed for the table, often an older one than the one in force.
func (n *node) rollBack(table string) {
	all := n.versions(table)
	if len(all) < 2 {
		return
	}
	if n.activate(table, pick(n.w, all[:len(all)-1]).SHA256) == nil {
		n.w.counts[CountRollBack]++
	}
}

// plugins are the modules that are installed, earliest first; none while the node is not ready.
func (n *node) plugins() []engine.PluginInfo {
	var all []engine.PluginInfo
	_, err := n.driver.Call(func(ctx context.Context, e *engine.Engine) (err error) {
		all, err = e.Plugins(ctx)
		return err
	}, nil)
	if err != nil && !errors.Is(err, engine.ErrNotReady) {
		n.w.fail("modules of %s: %w", n.name, err)
	}
	return all
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
