package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest/ghost"
)

// token is what a client has read of a key.
type token struct {
	story *story
	text  string
	seen  ghost.Set
}

// clients make random calls at random nodes until the history ends.
type clients struct {
	w      *world
	tokens []token
	values int
	over   bool
}

// bulk is the length of long values in bytes: two of them do not fit into one frame or chunk.
const bulk = 140 << 10

// maxTokens bounds the reads that are remembered.
const maxTokens = 24

func (c *clients) start() {
	c.w.after(c.w.about(c.w.weather.calls), func() {
		if c.over {
			return
		}
		if up := c.w.up(); len(up) > 0 {
			c.call(pick(c.w, up))
		}
		c.start()
	})
}

// call makes one random call. These clients go on whatever they are told; what the outcome may be is checked below.
func (c *clients) call(n *node) {
	table, key := pick(c.w, tables()), pick(c.w, keys())
	switch x := c.w.rand.Float64(); {
	case x < 0.22:
		c.write(n, write{table: table, key: key, value: c.value()})
	case x < 0.47:
		c.write(n, c.withToken(write{table: table, key: key, value: c.value()}))
	case x < 0.57:
		c.write(n, c.withToken(write{table: table, key: key, value: c.value(), ifUnchanged: true}))
	case x < 0.63:
		c.write(n, write{table: table, key: key, isDelete: true})
	case x < 0.69:
		c.write(n, c.withToken(write{table: table, key: key, isDelete: true, ifUnchanged: c.w.chance(0.3)}))
	case x < 0.88:
		c.read(n, table, key)
	default:
		c.alter(n, table)
	}
}

// alter makes one random call that changes the catalogue.
func (c *clients) alter(n *node, table string) {
	v := c.w.weather
	switch x := c.w.rand.Float64(); {
	case x < 0.5:
		_ = n.create(table, c.options())
	case x < 0.58:
		if v.drops {
			_ = n.drop(table)
		}
	case !v.handlers:
	case x < 0.75:
		_ = n.install(table, c.module())
	default:
		_ = n.activate(table, table)
	}
}

func (c *clients) value() string {
	if c.w.chance(0.05) {
		return "same"
	}
	c.values++
	v := fmt.Sprintf("v%d", c.values)
	if c.w.weather.bulky && c.w.chance(0.3) {
		v += strings.Repeat("-", bulk)
	}
	return v
}

func (c *clients) options() engine.TableOptions {
	unresolved := []engine.Policy{engine.Keep, engine.Keep, engine.LWW, engine.RestartNode}
	if !c.w.weather.traps {
		unresolved = unresolved[:3]
	}
	return engine.TableOptions{
		Type:       pick(c.w, []engine.TableType{engine.Set, engine.Set, engine.OrderedSet}),
		Ack:        pick(c.w, []engine.AckLevel{engine.AckAll, engine.AckAll, engine.AckOne, engine.AckQuorum}),
		Unresolved: pick(c.w, unresolved),
	}
}

func (c *clients) module() string {
	modules := []string{"union", "latest", "keep", "delete", "fail", "poison", "poison", "trap"}
	switch {
	case c.w.weather.mines:
		modules = []string{"trap", "poison"}
	case !c.w.weather.traps:
		modules = modules[:5]
	}
	return pick(c.w, modules) + fmt.Sprintf(" %d", c.w.rand.IntN(3))
}

// withToken makes the write one of a client that has read before, if one has.
func (c *clients) withToken(w write) write {
	if len(c.tokens) == 0 {
		return w
	}
	t := pick(c.w, c.tokens)
	w.table, w.key, w.token = t.story.ID.table, t.story.ID.key, &t
	return w
}

// read reads a key and remembers what was seen.
func (c *clients) read(n *node, table, key string) {
	entry, story, err := n.read(table, key)
	if err != nil || story == nil {
		return
	}
	if len(c.tokens) == maxTokens {
		c.tokens = c.tokens[1:]
	}
	c.tokens = append(c.tokens, token{story: story, text: entry.Context, seen: n.known[story.ID]})
}

// invoke makes one call of the API; the node steps at once, or when it happens to.
func (n *node) invoke(what string, call func(ctx context.Context, e *engine.Engine) error, acked func(int, error)) error {
	n.ran = nil
	_, err := n.driver.Call(call, acked)
	n.w.note("%s: %s -> %v", n.name, what, err)
	if n.w.chance(0.5) {
		n.wake(n.w.upTo(5 * time.Millisecond))
		return err
	}
	n.wake(0)
	return err
}

// read reads a key as a client does; story is nil when there is no such table. What is seen is held against the oracle.
func (n *node) read(table, key string) (engine.Entry, *story, error) {
	quarantined := n.driver.Quarantined(table, key)
	var entry engine.Entry
	err := n.invoke("get "+table+"/"+key, func(ctx context.Context, e *engine.Engine) (err error) {
		entry, err = e.Get(ctx, table, key)
		return err
	}, nil)
	switch {
	case errors.Is(err, engine.ErrNotReady), errors.Is(err, engine.ErrNoTable):
		return entry, nil, err
	case err != nil && !errors.Is(err, engine.ErrNotFound):
		n.w.fail("%s reads %s/%s: %w", n.name, table, key, err)
	case quarantined && len(n.ran) > 0:
		n.w.fail("a reader at %s runs a handler on siblings that are known to be quarantined: %s/%s", n.name, table, key)
	}
	n.w.ledger.sees(n, table, entry)
	held, heldErr := n.driver.Held(table, key)
	if heldErr != nil || len(held.Versions) != len(entry.Siblings) {
		n.w.fail("%s reads %d siblings of %s/%s and holds %d: %v", n.name, len(entry.Siblings), table, key, len(held.Versions), heldErr)
	}
	return entry, n.w.stories.Story(storyID{table, held.Epoch, key}), nil
}

// write is one write of a client.
type write struct {
	table, key, value     string
	isDelete, ifUnchanged bool
	token                 *token // nil: blind
	level                 engine.AckLevel
}

func (w write) options() []engine.WriteOption {
	var out []engine.WriteOption
	switch {
	case w.token != nil && w.ifUnchanged:
		out = append(out, engine.IfUnchanged(w.token.text))
	case w.token != nil:
		out = append(out, engine.WithContext(w.token.text))
	}
	if w.level != "" {
		out = append(out, engine.WithAck(w.level))
	}
	return out
}

func (w write) String() string {
	verb := "put"
	if w.isDelete {
		verb = "delete"
	}
	seen := "blind"
	if w.token != nil {
		seen = fmt.Sprintf("having seen %v of epoch %d, only if unchanged %v", w.token.seen, w.token.story.ID.epoch, w.ifUnchanged)
	}
	return fmt.Sprintf("%s %s/%s %.12s %s", verb, w.table, w.key, w.value, seen)
}

// write lets a client write.
func (c *clients) write(n *node, w write) {
	w.level = pick(c.w, []engine.AckLevel{"", "", "", engine.AckAll, engine.AckQuorum, engine.AckOne, engine.AckLocal})
	_ = n.write(w) // the clients of a random history only go on; what the outcome must be, write checks
}

// asked is a write that a client waits for.
type asked struct {
	write

	level engine.AckLevel
	story *story
	made  *ghost.Event // nil while nothing is written, and when nothing had to be
	// awaited are the members that were connected when the wait began.
	awaited []clock.Actor
}

// write writes, tells the oracle, and returns what the client is told before any acknowledgement.
func (n *node) write(w write) error {
	before, err := n.driver.Held(w.table, w.key)
	there := err == nil
	a := &asked{write: w, level: n.levelOf(w), story: n.w.stories.Story(storyID{w.table, before.Epoch, w.key})}
	known := n.known[a.story.ID]
	err = n.invoke(w.String(), func(ctx context.Context, e *engine.Engine) (err error) {
		if w.isDelete {
			_, err = e.Delete(ctx, w.table, []string{w.key}, w.options()...)
		} else {
			_, err = e.Put(ctx, w.table, []engine.KV{{Key: w.key, Value: []byte(w.value)}}, w.options()...)
		}
		return err
	}, func(nodes int, err error) { n.onAck(a, nodes, err) })
	if err != nil {
		n.checkRefusal(a, there, known, err)
		return err
	}
	a.made = n.wrote(a, before, known)
	a.awaited = n.connected()
	n.fresh = append(n.fresh, a)
	n.observe()
	return nil
}
