package engine

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/kvnode/kvnode/engine/replica"
)

// maxEarlier bounds the handler records of a table that are kept for the way back.
const maxEarlier = 16

// handlerEntry is what the catalogue has of a table's handlers: the record in force, and those before it, the latest last.
type handlerEntry struct {
	_       struct{} `cbor:",toarray"`
	Active  handlerRecord
	Earlier []handlerRecord
}

// handlersOf reads the handlers of a table of this epoch. Of records that two sides of a split have activated one is in force, and the other is one of the
// earlier ones.
func handlersOf(c codec, versions []replica.Version, tableEpoch uint64) (held handlerEntry, found bool) {
	for _, v := range versions {
		e, err := decode[handlerEntry](c, v.Value)
		switch {
		case err != nil || e.Active.TableEpoch != tableEpoch: // written by a newer node, or of a table that was dropped
		case !found:
			held, found = e, true
		case laterHandler(e.Active, held.Active):
			held = e.after(held.Active)
		default:
			held = held.after(e.Active)
		}
	}
	return held, found
}

// after adds a record to the earlier ones. One that would bring nothing else than what is in force is none.
func (e handlerEntry) after(r handlerRecord) handlerEntry {
	if r.sameModule(e.Active) || slices.Contains(e.Earlier, r) {
		return e
	}
	earlier := append(slices.Clone(e.Earlier), r)
	return handlerEntry{Active: e.Active, Earlier: earlier[max(0, len(earlier)-maxEarlier):]}
}

// sameModule says whether two records run the same module.
func (r handlerRecord) sameModule(as handlerRecord) bool {
	return r.Plugin == as.Plugin && r.SHA256 == as.SHA256
}

// sameActivation says whether two records are of one activation, whatever limits the module has had since.
func (r handlerRecord) sameActivation(as handlerRecord) bool {
	r.Limits, r.Rewriter = as.Limits, as.Rewriter
	return r == as
}

// runs says whether it is this module that a record runs.
func (r handlerRecord) runs(p pluginRecord) bool { return r.Plugin == p.Name && r.SHA256 == p.SHA256 }

// laterHandler orders handler records by (table's epoch, epoch, time, SHA-256); a disabled one wins over its twin.
func laterHandler(a, b handlerRecord) bool {
	switch {
	case a.TableEpoch != b.TableEpoch:
		return a.TableEpoch > b.TableEpoch
	case a.Epoch != b.Epoch:
		return a.Epoch > b.Epoch
	case a.Time != b.Time:
		return a.Time > b.Time
	case a.SHA256 != b.SHA256:
		return a.SHA256 > b.SHA256
	}
	return a.Disabled && !b.Disabled
}

// learnHandler keeps the handlers of the latest epoch of a table.
func (f *facts) learnHandler(table string, versions []replica.Version) {
	delete(f.handlers, table)
	var latest uint64
	for _, v := range versions {
		if e, err := decode[handlerEntry](f.codec, v.Value); err == nil {
			latest = max(latest, e.Active.TableEpoch)
		}
	}
	if held, found := handlersOf(f.codec, versions, latest); found {
		f.handlers[table] = held
	}
}

// handler returns the record in force for an open table: the activated one, or else the first module that was installed under the table's
// handler name.
func (f *facts) handler(t *table) (handlerRecord, bool) {
	if e, ok := f.handlers[t.name]; ok && e.Active.TableEpoch == t.epoch {
		return f.asInstalled(e.Active), true
	}
	var first pluginRecord
	for _, p := range f.plugins {
		if p.Name == t.options.Handler && (first.Name == "" || compareInstalled(p, first) < 0) {
			first = p
		}
	}
	if first.Name == "" {
		return handlerRecord{}, false
	}
	return first.handler(t, first.Time), true
}

// asInstalled is a record with the limits and the metering with which its module is installed: they belong to the module, and nobody writes the record anew when
// they change. What is told apart by the record, as views and quarantines are, is told apart by them too.
func (f *facts) asInstalled(r handlerRecord) handlerRecord {
	if p, ok := f.plugins[pluginKey(r.Plugin, r.SHA256)]; ok {
		r.Limits, r.Rewriter = p.Limits, p.Rewriter
	}
	return r
}

// handler is the record of a module for a table.
func (r pluginRecord) handler(t *table, now uint64) handlerRecord {
	return handlerRecord{TableEpoch: t.epoch, Plugin: r.Name, SHA256: r.SHA256, Time: now, Limits: r.Limits, Rewriter: r.Rewriter}
}

// earlier returns the records before the one in force whose modules are installed, the latest last.
func (f *facts) earlier(t *table) (out []handlerRecord) {
	e, ok := f.handlers[t.name]
	if !ok || e.Active.TableEpoch != t.epoch {
		return nil
	}
	for _, r := range e.Earlier {
		if _, installed := f.plugins[pluginKey(r.Plugin, r.SHA256)]; installed && !r.sameModule(e.Active) {
			out = append(out, f.asInstalled(r))
		}
	}
	return out
}

// Reasons for which a handler is disabled.
const (
	reasonTrapped = "the handler is disabled: it trapped too often; activate another module"
	reasonByHand  = "the handler is disabled by hand; activate a module to have conflicts judged again"
)

// whyDisabled is what readers of a table see whose handler is disabled.
func (r handlerRecord) whyDisabled() string {
	switch {
	case !r.Disabled:
		return ""
	case r.ByHand:
		return reasonByHand
	}
	return reasonTrapped
}

// public is the record as people see it.
func (f *facts) public(r handlerRecord) Handler {
	return Handler{
		Plugin: r.Plugin, SHA256: r.SHA256, Number: f.plugins[pluginKey(r.Plugin, r.SHA256)].Number, Epoch: r.Epoch,
		Time: time.UnixMilli(int64(r.Time)).UTC(), Limits: r.Limits, Rewriter: r.Rewriter, Disabled: r.Disabled, Reason: r.whyDisabled(),
	}
}

// id names exactly this record: code, limits, rewriter and activation.
func (r handlerRecord) id(c codec) string {
	sum := hash128(c.record(r))
	return hex.EncodeToString(sum[:])
}

func pluginKey(name, sha256 string) string { return keyPlugin + name + "/" + sha256 }

func (r pluginRecord) key() string { return pluginKey(r.Name, r.SHA256) }

// compareInstalled orders modules of one name by their installation: numbers count on from what was seen, whatever the clocks said.
func compareInstalled(a, b pluginRecord) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Time, b.Time), strings.Compare(a.SHA256, b.SHA256))
}

// pluginOf joins the records that two sides of a split have written of one module.
func pluginOf(c codec, versions []replica.Version) (held pluginRecord, found bool) {
	for _, v := range versions {
		r, err := decode[pluginRecord](c, v.Value)
		switch {
		case err != nil: // written by a newer node
		case !found:
			held, found = r, true
		default:
			held = r.joined(held)
		}
	}
	return held, found
}

// joined is a record beside one that was written before it: with the limits that were given last, and with a report if either has one.
func (r pluginRecord) joined(before pluginRecord) pluginRecord {
	if before.Given > r.Given {
		r.Limits, r.Given = before.Limits, before.Given
	}
	if len(r.Check) == 0 {
		r.Check = before.Check
	}
	return r
}
