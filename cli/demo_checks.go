package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kvnode/kvnode"
)

// demoPoll is the pause between two looks at something that is about to change.
const demoPoll = 20 * time.Millisecond

// put writes a cart at a node and says so.
func (d *demo) put(ctx context.Context, node, key, value string, opts ...kvnode.WriteOption) error {
	if _, err := d.lab.Node(node).Put(ctx, demoTable, []kvnode.KV{{Key: key, Value: []byte(value)}}, opts...); err != nil {
		return fmt.Errorf("put at %s: %w", node, err)
	}
	d.say("  %s %s %s %s", d.dim("put at"), node, key, d.bold(value))
	return nil
}

func (d *demo) value(ctx context.Context, node, key string) (string, error) {
	e, err := d.lab.Node(node).Get(ctx, demoTable, key)
	if err != nil {
		return "", fmt.Errorf("get at %s: %w", node, err)
	}
	return string(e.Value), nil
}

// awaitValue waits until a node reads the value; the claim fails with what it reads instead.
func (d *demo) awaitValue(ctx context.Context, node, key, want string) error {
	var last string
	err := poll(ctx, func() (bool, error) {
		value, err := d.value(ctx, node, key)
		last = value
		return value == want, err
	})
	if err != nil {
		return fmt.Errorf("%s should read %s, it reads %s: %w", node, want, last, err)
	}
	return nil
}

// poll asks until the answer is yes.
func poll(ctx context.Context, ask func() (bool, error)) error {
	tick := time.NewTicker(demoPoll)
	defer tick.Stop()
	for {
		yes, err := ask()
		if yes || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("no change in time: %w", ctx.Err())
		}
	}
}

// conflict finds the journal's newest entry for a key.
func (d *demo) conflict(ctx context.Context, node, key string) (kvnode.Conflict, error) {
	entries, err := d.lab.Node(node).Conflicts(ctx)
	if err != nil {
		return kvnode.Conflict{}, fmt.Errorf("journal of %s: %w", node, err)
	}
	for _, entry := range entries {
		if entry.Key == key {
			return entry, nil
		}
	}
	return kvnode.Conflict{}, fmt.Errorf("the journal of %s has no conflict of %s", node, key)
}

func (d *demo) showConflict(entry kvnode.Conflict) {
	d.say("  conflict %s on %s", d.bold(entry.ID), d.bold(entry.Key))
	for _, v := range entry.Versions {
		d.say("    %s %s %s", d.dim("version "+v.Dot), d.dim(v.Time.Format("15:04:05.000")), v.Value)
	}
	if entry.State == kvnode.Resolved {
		d.say("    %s %s", d.green("verdict "+entry.Verdict), d.bold(string(entry.Value)))
		return
	}
	d.say("    %s %s", d.red(string(entry.State)), entry.Reason)
}

// writeConcurrently makes a conflict without a split: two clients that have read the same state both write.
func (d *demo) writeConcurrently(ctx context.Context) error {
	if err := d.put(ctx, "ada", demoPoison, `{"lines":[]}`); err != nil {
		return err
	}
	seen, err := d.lab.Node("ada").Get(ctx, demoTable, demoPoison)
	if err != nil {
		return fmt.Errorf("read before writing: %w", err)
	}
	if err := d.put(ctx, "ada", demoPoison, `{"lines":[{"sku":"fig","qty":1}]}`, kvnode.WithContext(seen.Context)); err != nil {
		return err
	}
	return d.put(ctx, "cyd", demoPoison, `{"lines":[{"sku":"kiwi","qty":5}]}`, kvnode.WithContext(seen.Context))
}

// awaitRestarted waits until a node runs as its next incarnation.
func (d *demo) awaitRestarted(ctx context.Context, node string) error {
	return poll(ctx, func() (bool, error) {
		s, err := d.lab.Node(node).Status(ctx)
		if errors.Is(err, kvnode.ErrClosed) {
			return false, nil
		}
		return err == nil && s.Restarts == 1 && s.Ready, err
	})
}

func (d *demo) checkRestarts(ctx context.Context, restarted string) error {
	for _, name := range demoNames() {
		s, err := d.lab.Node(name).Status(ctx)
		if err != nil {
			return fmt.Errorf("status of %s: %w", name, err)
		}
		want := 0
		if name == restarted {
			want = 1
		}
		if err := d.claim(s.Restarts == want, "%s restarted %d times (incarnation %s)", name, s.Restarts, s.Actor.Short()); err != nil {
			return err
		}
	}
	return nil
}

// checkNothingLost shows that every node has both versions of the quarantined cart, and the cart of before.
func (d *demo) checkNothingLost(ctx context.Context) error {
	for _, name := range demoNames() {
		e, err := d.lab.Node(name).Get(ctx, demoTable, demoPoison)
		if err != nil {
			return fmt.Errorf("read the quarantined cart at %s: %w", name, err)
		}
		ok := e.State == kvnode.Quarantined && len(e.Siblings) == 2
		if err := d.claim(ok, "%s still has both versions of %s, %s (%s)", name, demoPoison, e.State, e.Reason); err != nil {
			return err
		}
		if _, err := d.value(ctx, name, demoKey); err != nil {
			return err
		}
	}
	entry, err := d.conflict(ctx, "ada", demoPoison)
	if err != nil {
		return err
	}
	d.showConflict(entry)
	return nil
}

func (d *demo) checkRestartCount(context.Context) error {
	return d.claim(d.events.count(kvnode.EventRestart) == 1, "one trap cost one restart in the whole cluster")
}

// demoEvents collects what the nodes report. Safe for concurrent use.
type demoEvents struct {
	mu  sync.Mutex
	all []demoEvent
}

type demoEvent struct {
	node string
	kvnode.Event
}

func newDemoEvents() *demoEvents { return &demoEvents{} }

func (d *demoEvents) add(node string, e kvnode.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, demoEvent{node, e})
}

func (d *demoEvents) find(kind kvnode.EventKind, key string) (demoEvent, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.all {
		if e.Kind == kind && e.Key == key {
			return e, true
		}
	}
	return demoEvent{}, false
}

func (d *demoEvents) count(kind kvnode.EventKind) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, e := range d.all {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// await waits for the first event of a kind about a key.
func (d *demoEvents) await(ctx context.Context, kind kvnode.EventKind, key string) (demoEvent, error) {
	var found demoEvent
	err := poll(ctx, func() (bool, error) {
		e, ok := d.find(kind, key)
		found = e
		return ok, nil
	})
	return found, err
}
