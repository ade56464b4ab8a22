package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// Resolution is how somebody ends a conflict by hand: exactly one of its fields is set.
type Resolution struct {
	// Value becomes the key's value; nil when it is not meant, empty for an empty value.
	Value []byte
	// Pick is the number, counted from 1, of the version in the journal's entry that becomes the key's value; one that is a delete makes it absent.
	Pick int
	// Delete makes the key absent.
	Delete bool
}

// Resolve ends a conflict, named by its ID or an unambiguous beginning of it, by an ordinary write that replaces exactly the siblings of that conflict; it is
// acknowledged at the table's level. Errors: ErrNoConflict; ErrNotOpen when the key has other versions by now, whereupon nothing was written;
// ErrBadResolution; and those of Put.
func (e *Engine) Resolve(ctx context.Context, id string, r Resolution) (Written, error) {
	if err := e.AwaitReady(ctx); err != nil {
		return Written{}, err
	}
	entry, err := e.core.findConflict(id)
	if err != nil {
		return Written{}, err
	}
	t, err := e.core.space.table(entry.Table)
	if err != nil {
		return Written{}, fmt.Errorf("%w: its table was dropped", ErrNotOpen)
	}
	versions, seen := t.state(entry.Key)
	if conflictID(t.name, t.epoch, entry.Key, siblingsHash(versions)) != entry.ID {
		return Written{}, ErrNotOpen
	}
	if len(entry.Versions) == 0 {
		entry.Versions = publicVersions(versions)
	}
	w, err := r.write(&entry)
	if err != nil {
		return Written{}, err
	}
	w.Context, w.IfCovered = seen, true
	out, err := e.writeTo(ctx, t, []replica.Write{w}, t.options.Ack)
	switch {
	case errors.Is(err, ErrConflict):
		return Written{}, fmt.Errorf("%w (another version has come just now)", ErrNotOpen)
	case err == nil || errors.Is(err, ErrNotAcknowledged):
		e.endConflicts(t, ByHand, entry.ID)
	}
	return out, err
}

// endConflicts records how conflicts have ended, and tells the other members.
func (e *Engine) endConflicts(t *table, how State, ids ...string) {
	for _, id := range ids {
		e.core.journal.end(id, how)
	}
	if len(ids) > 0 && !t.options.Local {
		e.post(ended{endedFrame{End: how, IDs: ids}})
	}
}

// write is the write that resolves an entry.
func (r Resolution) write(entry *Conflict) (replica.Write, error) {
	w := replica.Write{Key: entry.Key}
	switch {
	case r.given() != 1:
		return w, fmt.Errorf("%w: give exactly one of a value, the number of a version, or delete", ErrBadResolution)
	case r.Delete:
		w.Delete = true
	case r.Value != nil:
		w.Value = slices.Clone(r.Value)
	case r.Pick < 0 || r.Pick > len(entry.Versions):
		return w, fmt.Errorf("%w: there is no version %d, they are 1 to %d", ErrBadResolution, r.Pick, len(entry.Versions))
	case entry.Versions[r.Pick-1].Deleted:
		w.Delete = true
	default:
		w.Value = entry.Versions[r.Pick-1].Value
	}
	if len(w.Value) > MaxValueBytes {
		return w, fmt.Errorf("%w; this one has %d bytes", ErrValueTooLarge, len(w.Value))
	}
	return w, nil
}

// given counts the fields that are set.
func (r Resolution) given() int {
	n := 0
	for _, set := range []bool{r.Value != nil, r.Pick != 0, r.Delete} {
		if set {
			n++
		}
	}
	return n
}

// state reads what the table shows of a key's versions, in canonical order, and what a write has to cover to replace exactly what is known here.
func (t *table) state(key string) ([]replica.Version, clock.Context) {
	p := t.partition(key)
	p.mu.RLock()
	defer p.mu.RUnlock()
	return t.shown(replica.Canonical(p.rep.Get(key))), p.rep.Context(key)
}

// Settlement counts what became of the keys that Settle was asked to settle.
type Settlement struct {
	// Settled keys have one version now, or none: what readers saw before.
	Settled int `json:"settled"`
	// Kept, Failed, Quarantined, Disabled and Unavailable were left as they are, because nobody has decided; the names are those of State.
	Kept        int `json:"kept"`
	Failed      int `json:"failed"`
	Quarantined int `json:"quarantined"`
	Disabled    int `json:"disabled"`
	Unavailable int `json:"unavailable"`
	// Single had no conflict, Changed got another version meanwhile.
	Single  int `json:"single"`
	Changed int `json:"changed"`
}

// settleBatch is how many keys are written before their acknowledgements are awaited.
const settleBatch = 256

// Settle writes what readers see of keys with conflicts, each as an ordinary write that replaces exactly the versions that the view was computed from, so
// that the conflicts are over at all nodes. Without keys it settles all conflicts of the table that this node knows of. The errors are those of Put; what
// the Settlement counts was written nonetheless.
func (e *Engine) Settle(ctx context.Context, table string, keys ...string) (Settlement, error) {
	var out Settlement
	for _, key := range keys {
		if err := validKey(key); err != nil {
			return out, err
		}
	}
	if err := e.AwaitReady(ctx); err != nil {
		return out, err
	}
	t, err := e.core.space.table(table)
	if err != nil {
		return out, err
	}
	if len(keys) == 0 {
		keys = t.conflicts()
	}
	for batch := range slices.Chunk(keys, settleBatch) {
		if err := e.settleBatch(ctx, t, batch, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// settleBatch settles keys and waits for the acknowledgements of what was written.
func (e *Engine) settleBatch(ctx context.Context, t *table, keys []string, out *Settlement) error {
	if err := e.core.reachable(t, t.options.Ack); err != nil {
		return err
	}
	ws, done, over, refused := e.settleKeys(ctx, t, keys, out)
	e.endConflicts(t, Settled, over...)
	e.poke()
	e.announce(t, ws, done)
	_, err := e.awaitAcks(ctx, t, ws, done, t.options.Ack)
	return errors.Join(refused, err)
}

// settleKeys writes one key after the other, and returns what was written, and the conflicts that are over, also when the error ends it.
func (e *Engine) settleKeys(
	ctx context.Context, t *table, keys []string, out *Settlement,
) (ws []replica.Write, done []replica.Written, over []string, err error) {
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return ws, done, over, fmt.Errorf("settle: %w", err)
		}
		w, id, decided := e.settlement(ctx, t, key, out)
		if !decided {
			continue
		}
		d, err := e.applyBounded(ctx, t, []replica.Write{w})
		switch {
		case errors.Is(err, ErrConflict):
			out.Changed++
		case err != nil:
			return ws, done, over, err
		default:
			out.Settled++
			ws, done, over = append(ws, w), append(done, d...), append(over, id)
		}
	}
	return ws, done, over, nil
}

// settlement is the write of what readers see of a key, and the conflict that it ends, if somebody has decided that; else it is counted why not.
func (e *Engine) settlement(ctx context.Context, t *table, key string, out *Settlement) (w replica.Write, id string, decided bool) {
	versions, seen := t.state(key)
	if len(versions) < 2 {
		out.Single++
		return w, "", false
	}
	v, tell := e.core.look(ctx, t, key, versions)
	if tell != nil {
		e.post(*tell)
	}
	switch v.state {
	case Kept:
		out.Kept++
	case Failed:
		out.Failed++
	case Quarantined:
		out.Quarantined++
	case Disabled:
		out.Disabled++
	case Unavailable:
		out.Unavailable++
	case Single, Resolved, Pending, ByHand, Settled, Overwritten:
		id = conflictID(t.name, t.epoch, key, siblingsHash(versions))
		return replica.Write{Key: key, Value: v.value, Delete: v.absent, Context: seen, IfCovered: true}, id, true
	}
	return w, "", false
}
