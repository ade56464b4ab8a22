package rest

import (
	"context"
	"iter"

	"github.com/kvnode/kvnode/engine"
)

// MaxModuleBytes bounds a plugin's module.
const MaxModuleBytes = engine.MaxModuleBytes

// MaxCheckBytes bounds the check report that comes with a module.
const MaxCheckBytes = engine.MaxCheckBytes

// maxBatchBytes bounds the JSON body of a batch; a value takes up to six times its size there.
const maxBatchBytes = 64 << 20

// maxSmallBytes bounds every other JSON body.
const maxSmallBytes = 64 << 10

// Store is what the server needs of a node. Its methods are safe for concurrent use, and their errors wrap the engine's.
type Store interface {
	// Status describes this node, also while it is not ready.
	Status(ctx context.Context) (engine.Status, error)
	// Members are the known nodes, also while this one is not ready.
	Members(ctx context.Context) ([]engine.Member, error)
	// Forget removes a member that is gone for good.
	Forget(ctx context.Context, member string) error
	// Ready says whether this node answers from its own data.
	Ready() bool
	// AwaitReady waits until Ready, at most until ctx ends; then the error is an engine.ErrNotReady.
	AwaitReady(ctx context.Context) error
	// ReadyPeer is the HTTP address (host:port) of a ready node to ask while this one is not.
	ReadyPeer() (httpAddr string, ok bool)

	CreateTable(ctx context.Context, name string, o engine.TableOptions) (engine.TableInfo, error)
	DropTable(ctx context.Context, name string) error
	ClearTable(ctx context.Context, name string) error
	Tables(ctx context.Context) ([]engine.TableInfo, error)
	Table(ctx context.Context, name string) (engine.TableInfo, error)

	Put(ctx context.Context, table string, kvs []engine.KV, opts ...engine.WriteOption) (engine.Written, error)
	Delete(ctx context.Context, table string, keys []string, opts ...engine.WriteOption) (engine.Written, error)
	// Get returns engine.ErrNotFound together with an entry whose Context says what was seen of the key.
	Get(ctx context.Context, table, key string) (engine.Entry, error)
	Match(ctx context.Context, table string, p engine.Pattern) iter.Seq2[engine.Entry, error]
	// Watch has subscribed when it returns: a write that begins afterwards is seen. The subscription ends with ctx or with the iteration.
	Watch(ctx context.Context, table string, p engine.Pattern) iter.Seq2[engine.Change, error]

	InstallPlugin(ctx context.Context, name string, module []byte, l engine.Limits, opts ...engine.InstallOption) (engine.PluginInfo, error)
	Plugins(ctx context.Context) ([]engine.PluginInfo, error)
	// Plugin describes in full the modules that a reference names: all of a name, or one.
	Plugin(ctx context.Context, plugin string) ([]engine.PluginInfo, error)
	// RemovePlugin removes one that is not in use.
	RemovePlugin(ctx context.Context, plugin string) error
	// Replay runs a plugin again on recorded conflicts, without effect.
	Replay(ctx context.Context, q engine.ReplayQuery) ([]engine.Replayed, error)
	// Activate makes a plugin judge the table's conflicts: its name, its SHA-256, or the beginning of one.
	Activate(ctx context.Context, table, plugin string) (engine.Handler, error)
	// Rollback goes back to the handler before the one in force.
	Rollback(ctx context.Context, table string) (engine.Handler, error)
	// Disable lets nobody judge the table's conflicts.
	Disable(ctx context.Context, table string) (engine.Handler, error)

	// HandlerLog yields what the node's handlers have printed and why they trapped, and goes on with follow until ctx ends.
	HandlerLog(ctx context.Context, plugin string, follow bool) iter.Seq2[engine.LogLine, error]

	// ActivateShadow lets a plugin run beside the handler in force, without effect.
	ActivateShadow(ctx context.Context, table, plugin string) (engine.Handler, error)
	// Shadow reports on it.
	Shadow(ctx context.Context, table string) (engine.ShadowReport, error)
	// EndShadow ends it and returns the last report.
	EndShadow(ctx context.Context, table string) (engine.ShadowReport, error)

	Conflicts(ctx context.Context, opts ...engine.JournalOption) ([]engine.Conflict, error)
	// Conflict finds one by its id or the beginning of it.
	Conflict(ctx context.Context, id string) (engine.Conflict, error)
	// Resolve ends one by hand.
	Resolve(ctx context.Context, id string, r engine.Resolution) (engine.Written, error)
	// Settle writes what readers see of keys with conflicts; of all without keys.
	Settle(ctx context.Context, table string, keys ...string) (engine.Settlement, error)
}
