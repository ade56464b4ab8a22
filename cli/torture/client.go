package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
)

const (
	// callPatience bounds one call: longer than any stop of a process and any wait for acknowledgements.
	callPatience = 60 * time.Second
	// breath is the longest pause of a client between two calls.
	breath = 40 * time.Millisecond
	// maxTokens bounds the reads that a client remembers.
	maxTokens = 24
	// wanders is the chance that a client asks another node than its own.
	wanders = 0.1
)

// client makes random calls, most of them at one node, until the run ends.
type client struct {
	name   string
	home   int
	run    *run
	rand   *rand.Rand
	tokens []placedToken
	writes int
}

type placedToken struct {
	place place
	token token
}

// work calls until ctx ends. While a checkpoint is taken it waits.
func (c *client) work(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		c.run.pace.RLock()
		c.call(ctx)
		c.run.pace.RUnlock()
		pause.Reset(time.Duration(c.rand.Int64N(int64(breath))))
	}
}

// call makes one call at a node that is up; when its node is down it makes none.
func (c *client) call(ctx context.Context) {
	at := c.home
	if c.rand.Float64() < wanders {
		at = c.rand.IntN(len(c.run.cluster.nodes))
	}
	n := c.run.cluster.nodes[at]
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	if n.running() == nil {
		return
	}
	api, err := n.ask(ctx)
	if err != nil {
		return
	}
	p := place{table: pick(c.rand, tableNames()), key: keyOf(c.rand.IntN(numKeys))}
	switch x := c.rand.Float64(); {
	case x < 0.30:
		c.read(ctx, n, api, p)
	case x < 0.55:
		c.write(ctx, n, api, write{place: p})
	case x < 0.75:
		c.write(ctx, n, api, c.withToken(write{place: p}))
	case x < 0.85:
		c.write(ctx, n, api, c.withToken(write{place: p, unchanged: true}))
	case x < 0.90:
		c.write(ctx, n, api, write{place: p, deleted: true})
	default:
		c.write(ctx, n, api, c.withToken(write{place: p, deleted: true, unchanged: c.rand.Float64() < 0.3}))
	}
}

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// read reads a key, checks what it is shown, and remembers it.
func (c *client) read(ctx context.Context, n *node, api *rest.Client, p place) {
	t, err := c.run.read(ctx, n, api, p)
	if err != nil {
		return
	}
	if len(c.tokens) == maxTokens {
		c.tokens = c.tokens[1:]
	}
	c.tokens = append(c.tokens, placedToken{place: p, token: t})
}

// read reads a key at a node. The error says that nothing was read.
func (r *run) read(ctx context.Context, n *node, api *rest.Client, p place) (token, error) {
	at := r.history.moment()
	entry, err := api.Get(ctx, p.table, p.key)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return token{}, err
	}
	seen := r.history.read(p, "node "+n.name, ids(entry))
	return token{context: entry.Context, seen: seen, at: at}, nil
}

// write is one write of a client.
type write struct {
	place     place
	deleted   bool
	unchanged bool // only if the token has seen all
	token     *token
	level     engine.AckLevel
}

// withToken makes the write one of a client that has read before, of the key that it has read.
func (c *client) withToken(w write) write {
	if len(c.tokens) == 0 {
		w.unchanged = false
		return w
	}
	t := pick(c.rand, c.tokens)
	w.place, w.token = t.place, &t.token
	return w
}

func (c *client) write(ctx context.Context, n *node, api *rest.Client, w write) {
	w.level = pick(c.rand, []engine.AckLevel{"", engine.AckLocal, engine.AckOne, engine.AckQuorum, engine.AckAll})
	c.writes++
	c.run.write(ctx, n, api, w, fmt.Sprintf("%s-%d", c.name, c.writes), c.rand.IntN(100) == 0)
}

// write writes, and tells the history what came of it.
func (r *run) write(ctx context.Context, n *node, api *rest.Client, w write, id string, long bool) {
	e := &event{id: id, place: w.place, deleted: w.deleted, what: w.describe(id, n.name)}
	r.history.begin(e, w.token)
	done, err := w.send(ctx, api, valueOf(id, long))
	a := judge(err)
	if err == nil {
		a.acked, a.told = done.Acked, true
		for _, entry := range done.Previous {
			a.previous = ids(entry)
		}
	}
	r.history.end(e, w.token, w.unchanged, a)
}

func (w write) send(ctx context.Context, api *rest.Client, value string) (engine.Written, error) {
	options := []rest.WriteOption{rest.WithPrevious()}
	if w.level != "" {
		options = append(options, rest.WithAck(w.level))
	}
	switch {
	case w.token != nil && w.unchanged:
		options = append(options, rest.IfUnchanged(w.token.context))
	case w.token != nil:
		options = append(options, rest.WithContext(w.token.context))
	}
	if w.deleted {
		return api.Delete(ctx, w.place.table, []string{w.place.key}, options...)
	}
	return api.Put(ctx, w.place.table, []engine.KV{{Key: w.place.key, Value: []byte(value)}}, options...)
}

// describe says of a write what people want to know.
func (w write) describe(id, node string) string {
	verb := "put"
	if w.deleted {
		verb = "delete"
	}
	if w.unchanged {
		verb = "conditional " + verb
	}
	level := string(w.level)
	if level == "" {
		level = "the table's level"
	}
	return fmt.Sprintf("%s %s at %s, %s, %s", id, verb, node, level, time.Now().UTC().Format("15:04:05.000"))
}

// judge says what an error promises about the write.
func judge(err error) answer {
	switch {
	case err == nil:
		return answer{outcome: written}
	case errors.Is(err, engine.ErrNotAcknowledged):
		return answer{outcome: written, acked: 1, why: err}
	}
	for _, r := range []error{
		engine.ErrNotReady, engine.ErrNoTable, engine.ErrNoQuorum, engine.ErrConflict, engine.ErrBadContext, engine.ErrTooManySiblings,
		engine.ErrClosed, syscall.ECONNREFUSED,
	} {
		if errors.Is(err, r) {
			return answer{outcome: refused, why: r}
		}
	}
	return answer{outcome: unknown, why: err}
}
