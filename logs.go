package kvnode

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/plugins"
)

// HandlerLog yields what this node's handlers have printed and why they trapped, the latest lines, oldest first; of all modules that a reference names, as
// Plugin takes it, or of all for the empty one. With follow it goes on with what comes, until ctx ends; see [engine.Log.Lines]. The log outlives restarts in
// place. ErrNoPlugin comes as the only element.
func (n *Node) HandlerLog(ctx context.Context, plugin string, follow bool) iter.Seq2[LogLine, error] {
	if plugin == "" {
		return n.log.Lines(ctx, follow, func(LogLine) bool { return true })
	}
	named, err := n.Plugin(ctx, plugin)
	if err != nil {
		return func(yield func(LogLine, error) bool) { yield(LogLine{}, err) }
	}
	return n.log.Lines(ctx, follow, func(line LogLine) bool {
		return slices.ContainsFunc(named, func(p PluginInfo) bool { return p.SHA256 == line.SHA256 })
	})
}

// listen keeps what a handler prints.
func (n *Node) listen(line plugins.Line) {
	n.log.Add(LogLine{Time: time.Now().UTC(), SHA256: line.SHA256, Level: strings.ToLower(line.Level.String()), Text: line.Text})
}

// logTrap keeps why a handler has trapped, also as a shadow.
func (n *Node) logTrap(e engine.Event) {
	facts := map[string]string{}
	for _, a := range e.Attrs {
		facts[a.Key] = a.Value.String()
	}
	isTrap := e.Kind == engine.EventTrap || e.Kind == engine.EventShadowed && facts["shadow"] == engine.LevelTrap
	if !isTrap || facts["module"] == "" {
		return
	}
	n.log.Add(LogLine{Time: time.Now().UTC(), SHA256: facts["module"], Level: engine.LevelTrap, Text: facts["reason"], Table: e.Table, Key: e.Key})
}
