package kvnode

import (
	"context"
	"iter"

	"github.com/kvnode/kvnode/engine"
)

// The verbs are the engine's; between two incarnations a call waits for the next one.

// CreateTable creates a table in the whole cluster; see [engine.Engine.CreateTable].
func (n *Node) CreateTable(ctx context.Context, name string, o TableOptions) (TableInfo, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return TableInfo{}, err
	}
	return e.CreateTable(ctx, name, o)
}

// DropTable removes a table with its entries; see [engine.Engine.DropTable].
func (n *Node) DropTable(ctx context.Context, name string) error {
	e, err := n.engine(ctx)
	if err != nil {
		return err
	}
	return e.DropTable(ctx, name)
}

// ClearTable deletes all entries that this node knows of; see [engine.Engine.ClearTable].
func (n *Node) ClearTable(ctx context.Context, name string) error {
	e, err := n.engine(ctx)
	if err != nil {
		return err
	}
	return e.ClearTable(ctx, name)
}

// Tables describes all tables, by name.
func (n *Node) Tables(ctx context.Context) ([]TableInfo, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return nil, err
	}
	return e.Tables(ctx)
}

// Table describes one table; [engine.ErrNoTable].
func (n *Node) Table(ctx context.Context, name string) (TableInfo, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return TableInfo{}, err
	}
	return e.Table(ctx, name)
}

// Put writes values and returns what they replaced; see [engine.Engine.Put].
func (n *Node) Put(ctx context.Context, table string, kvs []KV, opts ...WriteOption) (Written, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return Written{}, err
	}
	return e.Put(ctx, table, kvs, opts...)
}

// Delete removes keys and returns what was there; see [engine.Engine.Delete].
func (n *Node) Delete(ctx context.Context, table string, keys []string, opts ...WriteOption) (Written, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return Written{}, err
	}
	return e.Delete(ctx, table, keys, opts...)
}

// Get reads one key; see [engine.Engine.Get].
func (n *Node) Get(ctx context.Context, table, key string) (Entry, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return Entry{}, err
	}
	return e.Get(ctx, table, key)
}

// Match yields the entries that a pattern selects; see [engine.Engine.Match].
func (n *Node) Match(ctx context.Context, table string, p Pattern) iter.Seq2[Entry, error] {
	e, err := n.engine(ctx)
	if err != nil {
		return func(yield func(Entry, error) bool) { yield(Entry{}, err) }
	}
	return e.Match(ctx, table, p)
}

// Watch yields keys as they change; see [engine.Engine.Watch]. A restart of the node ends it with ErrClosed: watch again.
func (n *Node) Watch(ctx context.Context, table string, p Pattern) iter.Seq2[Change, error] {
	e, err := n.engine(ctx)
	if err != nil {
		return func(yield func(Change, error) bool) { yield(Change{}, err) }
	}
	return e.Watch(ctx, table, p)
}

// InstallPlugin checks a module and replicates it to all nodes; see [engine.Engine.InstallPlugin].
func (n *Node) InstallPlugin(ctx context.Context, name string, module []byte, l Limits, opts ...engine.InstallOption) (engine.PluginInfo, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return engine.PluginInfo{}, err
	}
	return e.InstallPlugin(ctx, name, module, l, opts...)
}

// Plugins lists the installed modules: those of one name in the order of their installation, the earliest names first.
func (n *Node) Plugins(ctx context.Context) ([]engine.PluginInfo, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return nil, err
	}
	return e.Plugins(ctx)
}

// Plugin describes modules in full; see [engine.Engine.Plugin].
func (n *Node) Plugin(ctx context.Context, plugin string) ([]engine.PluginInfo, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return nil, err
	}
	return e.Plugin(ctx, plugin)
}

// RemovePlugin removes a module from all nodes; see [engine.Engine.RemovePlugin].
func (n *Node) RemovePlugin(ctx context.Context, plugin string) error {
	e, err := n.engine(ctx)
	if err != nil {
		return err
	}
	return e.RemovePlugin(ctx, plugin)
}

// Replay runs a module again on recorded conflicts; see [engine.Engine.Replay].
func (n *Node) Replay(ctx context.Context, q ReplayQuery) ([]Replayed, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return nil, err
	}
	return e.Replay(ctx, q)
}

// Activate makes a module the judge of a table's conflicts; see [engine.Engine.Activate].
func (n *Node) Activate(ctx context.Context, table, plugin string) (engine.Handler, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return engine.Handler{}, err
	}
	return e.Activate(ctx, table, plugin)
}

// Rollback goes back to the handler before the one in force; see [engine.Engine.Rollback].
func (n *Node) Rollback(ctx context.Context, table string) (engine.Handler, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return engine.Handler{}, err
	}
	return e.Rollback(ctx, table)
}

// Disable takes a table's handler out of service; see [engine.Engine.Disable].
func (n *Node) Disable(ctx context.Context, table string) (engine.Handler, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return engine.Handler{}, err
	}
	return e.Disable(ctx, table)
}

// ActivateShadow lets a module run beside the handler in force, without effect; see [engine.Engine.ActivateShadow].
func (n *Node) ActivateShadow(ctx context.Context, table, plugin string) (engine.Handler, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return engine.Handler{}, err
	}
	return e.ActivateShadow(ctx, table, plugin)
}

// Shadow reports on the shadow of a table; see [engine.Engine.Shadow].
func (n *Node) Shadow(ctx context.Context, table string) (engine.ShadowReport, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return engine.ShadowReport{}, err
	}
	return e.Shadow(ctx, table)
}

// EndShadow ends the shadow of a table; see [engine.Engine.EndShadow].
func (n *Node) EndShadow(ctx context.Context, table string) (engine.ShadowReport, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return engine.ShadowReport{}, err
	}
	return e.EndShadow(ctx, table)
}

// Conflicts lists the journal, newest first; see [engine.Engine.Conflicts].
func (n *Node) Conflicts(ctx context.Context, opts ...engine.JournalOption) ([]engine.Conflict, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return nil, err
	}
	return e.Conflicts(ctx, opts...)
}

// Resolve ends a conflict by hand; see [engine.Engine.Resolve].
func (n *Node) Resolve(ctx context.Context, id string, r Resolution) (Written, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return Written{}, err
	}
	return e.Resolve(ctx, id, r)
}

// Settle writes what readers see of keys with conflicts; see [engine.Engine.Settle].
func (n *Node) Settle(ctx context.Context, table string, keys ...string) (Settlement, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return Settlement{}, err
	}
	return e.Settle(ctx, table, keys...)
}

// Conflict shows one conflict; see [engine.Engine.Conflict].
func (n *Node) Conflict(ctx context.Context, id string) (engine.Conflict, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return engine.Conflict{}, err
	}
	return e.Conflict(ctx, id)
}

// Members lists the known and the connected members, this one included, by name.
func (n *Node) Members(ctx context.Context) ([]engine.Member, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return nil, err
	}
	return e.Members(ctx)
}

// Forget removes a member that is gone for good; see [engine.Engine.Forget].
func (n *Node) Forget(ctx context.Context, member string) error {
	e, err := n.engine(ctx)
	if err != nil {
		return err
	}
	return e.Forget(ctx, member)
}

// Status describes this node, also while it is not ready.
func (n *Node) Status(ctx context.Context) (engine.Status, error) {
	e, err := n.engine(ctx)
	if err != nil {
		return engine.Status{}, err
	}
	return e.Status(ctx)
}

// Ready says whether the node has caught up with its peers and serves from its own data.
func (n *Node) Ready() bool {
	i := n.peek()
	return i != nil && i.engine.Ready()
}

// ReadyPeer names a ready member's HTTP address.
func (n *Node) ReadyPeer() (string, bool) {
	if i := n.peek(); i != nil {
		return i.engine.ReadyPeer()
	}
	return "", false
}
