package torture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kvnode/kvnode/engine"
)

// calmPatience bounds how long the nodes may take to meet, and to hold the same, once nothing troubles them.
const calmPatience = 90 * time.Second

// errApart says in what nodes differ that should not.
var errApart = errors.New("nodes differ")

// shown is what a node shows of a key.
type shown struct {
	ids   []string
	state engine.State
	value string
}

// picture is all that a node shows.
type picture struct {
	digest   string
	restarts int
	keys     map[place]shown
}

// checkpoint waits until all nodes have met and hold the same, and checks what they hold. The clients pause meanwhile.
func (r *run) checkpoint(ctx context.Context, e episode) {
	r.pace.Lock()
	defer r.pace.Unlock()
	agreed, ok := r.agree(ctx)
	if !ok {
		return
	}
	r.history.checkpoint(agreed)
	r.checkWatchers(ctx, agreed)
	r.checkRestarts(ctx, e)
}

// agree returns what all nodes hold. That they do not come to hold the same is a broken promise.
func (r *run) agree(ctx context.Context) (map[place][]string, bool) {
	ctx, cancel := context.WithTimeout(ctx, calmPatience)
	defer cancel()
	var pictures []picture
	var differ error
	if poll(ctx, func() bool {
		var err error
		if pictures, err = r.survey(ctx); err == nil {
			err = compare(pictures)
		}
		if ctx.Err() == nil {
			differ = err
		}
		return err == nil
	}) {
		r.pictures = pictures
		return idsOf(pictures[0]), true
	}
	if r.ctx.Err() == nil {
		r.history.fail("nothing has troubled the nodes for %s, and they do not hold the same: %v", calmPatience, differ)
	}
	return nil, false
}

func idsOf(p picture) map[place][]string {
	out := make(map[place][]string, len(p.keys))
	for at, s := range p.keys {
		out[at] = s.ids
	}
	return out
}

// survey looks at all nodes.
func (r *run) survey(ctx context.Context) ([]picture, error) {
	var out []picture
	for _, n := range r.cluster.nodes {
		p, err := r.look(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", n.name, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// look returns what a node shows that is ready and sees all others.
func (r *run) look(ctx context.Context, n *node) (picture, error) {
	api, err := n.ask(ctx)
	if err != nil {
		return picture{}, err
	}
	status, err := api.Status(ctx)
	if err != nil {
		return picture{}, fmt.Errorf("status: %w", err)
	}
	if err := r.whole(status); err != nil {
		return picture{}, err
	}
	out := picture{digest: status.Digest, restarts: status.Restarts, keys: map[place]shown{}}
	for _, table := range tableNames() {
		for entry, err := range api.Match(ctx, table, engine.Pattern{}) {
			if err != nil {
				return picture{}, fmt.Errorf("match %s: %w", table, err)
			}
			out.keys[place{table, entry.Key}] = shown{ids: ids(entry), state: entry.State, value: string(entry.Value)}
		}
	}
	return out, nil
}

// whole says what a node lacks that should be ready and see all others.
func (r *run) whole(s engine.Status) error {
	var lacks []string
	for _, m := range s.Members {
		if !m.Connected || !m.Ready {
			lacks = append(lacks, fmt.Sprintf("%s (connected %t, ready %t)", m.Name, m.Connected, m.Ready))
		}
	}
	switch {
	case !s.Ready:
		return fmt.Errorf("%w: it is not ready", errApart)
	case len(lacks) > 0 || len(s.Members) != len(r.cluster.nodes):
		return fmt.Errorf("%w: of %d members it misses %s", errApart, len(s.Members), strings.Join(lacks, ", "))
	default:
		return nil
	}
}

// compare says in what the nodes differ.
func compare(pictures []picture) error {
	first := pictures[0]
	for i, p := range pictures {
		for at := range maps.Keys(first.keys) {
			if err := compareKey(at, i, first.keys[at], p.keys[at]); err != nil {
				return err
			}
		}
		switch {
		case len(p.keys) != len(first.keys):
			return fmt.Errorf("%w: n0 has %d keys, n%d %d", errApart, len(first.keys), i, len(p.keys))
		case p.digest != first.digest:
			return fmt.Errorf("%w: n0 and n%d show the same, and know different mutations", errApart, i)
		}
	}
	return nil
}

func compareKey(at place, i int, a, b shown) error {
	switch {
	case !slices.Equal(a.ids, b.ids):
		return fmt.Errorf("%w: of %s n0 has %v, n%d %v", errApart, at, a.ids, i, b.ids)
	case a.state != b.state || a.value != b.value:
		return fmt.Errorf("%w: of %s n0 shows %s %.60q, n%d %s %.60q", errApart, at, a.state, a.value, i, b.state, b.value)
	case b.state == engine.Unavailable:
		return fmt.Errorf("%w: the handler of %s cannot run at n%d", errApart, at, i)
	case at.table == judgedTable && b.state == engine.Resolved && !isUnion(b):
		return fmt.Errorf("%w: of %s n%d shows %.60q, which is not the union of %v", errApart, at, i, b.value, b.ids)
	default:
		return nil
	}
}

// isUnion reports whether the handler has made what it should of the versions: each of them is a line.
func isUnion(s shown) bool {
	var lines []string
	for line := range strings.SplitSeq(s.value, "\n") {
		lines = append(lines, idOf(line))
	}
	slices.Sort(lines)
	return slices.Equal(lines, s.ids)
}

// checkWatchers checks that the watches which have not broken were told of every change.
func (r *run) checkWatchers(ctx context.Context, agreed map[place][]string) {
	ctx, cancel := context.WithTimeout(ctx, calmPatience)
	defer cancel()
	for _, w := range r.watchers {
		if !poll(ctx, func() bool { _, differs := w.differs(agreed); return !differs }) && r.ctx.Err() == nil {
			key, _ := w.differs(agreed)
			r.history.fail("the watch of %s at %s was not told of the last change of %s: it is %v", w.table, w.node.name, key, agreed[place{w.table, key}])
		}
		if w.base(agreed) {
			r.report.Watches++
		}
	}
}

// checkStable checks that nothing but the values remains of what all members know.
func (r *run) checkStable(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, calmPatience)
	defer cancel()
	for _, n := range r.cluster.nodes {
		var left string
		if !poll(ctx, func() bool { left = r.unstable(ctx, n); return left == "" }) && r.ctx.Err() == nil {
			r.history.fail("all nodes hold the same, and %s waits for confirmations: %s", n.name, left)
		}
	}
}

// unstable says what a node still keeps for others; nothing when that is nothing.
func (r *run) unstable(ctx context.Context, n *node) string {
	api, err := n.ask(ctx)
	if err != nil {
		return err.Error()
	}
	tables, err := api.Tables(ctx)
	if err != nil {
		return err.Error()
	}
	for _, t := range tables {
		if t.Unstable > 0 {
			return fmt.Sprintf("%d mutations of table %s", t.Unstable, t.Name)
		}
	}
	return ""
}
