package sim

import (
	"fmt"
	"slices"
	"strings"

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
		if up := c.reachable(); len(up) > 0 {
			c.call(pick(c.w, up))
		}
		c.start()
	})
}

// reachable are the nodes that a client tries: mostly those that say that they are ready.
func (c *clients) reachable() []*node {
	up := c.w.up()
	if c.w.chance(0.1) {
		return up
	}
	return slices.DeleteFunc(up, func(n *node) bool { return !n.isReady })
}

// call makes one random call. These clients go on whatever they are told; what the outcome may be is checked elsewhere.
func (c *clients) call(n *node) {
	table, key := c.table(), []string{pick(c.w, keys())}
	x := c.w.rand.Float64()
	for _, choice := range []struct {
		weight float64
		do     func()
	}{
		{0.19, func() { c.write(n, write{table: table, keys: key, value: c.value()}) }},
		{0.22, func() { c.write(n, c.withToken(n, write{table: table, keys: key, value: c.value()})) }},
		{0.09, func() {
			c.write(n, c.withToken(n, write{table: table, keys: key, value: c.value(), ifUnchanged: true}))
		}},
		{0.06, func() { c.write(n, write{table: table, keys: key, isDelete: true}) }},
		{0.06, func() {
			c.write(n, c.withToken(n, write{table: table, keys: key, isDelete: true, ifUnchanged: c.w.chance(0.3)}))
		}},
		{0.05, func() {
			c.write(n, write{table: table, keys: c.someKeys(), value: c.value(), isDelete: c.w.chance(0.3)})
		}},
		{0.01, func() {
			c.write(n, write{table: table, keys: slices.Sorted(slices.Values(keys())), isDelete: true, isClear: true})
		}},
		{0.15, func() { c.read(n, table, key[0]) }},
		{0.03, func() { n.match(table) }},
		{0.03, func() { c.watch(n, table) }},
		{0.11, func() { c.alter(n, table) }},
	} {
		if x -= choice.weight; x < 0 {
			choice.do()
			return
		}
	}
}

// table draws a table; the local one less often.
func (c *clients) table() string {
	all := []string{"carts", "lists"}
	if c.w.weather.locals && c.w.chance(0.2) {
		return local
	}
	return pick(c.w, all)
}

// someKeys draws two keys or more, in any order.
func (c *clients) someKeys() []string {
	all := keys()
	c.w.rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:2+c.w.rand.IntN(len(all)-1)]
}

// alter makes one random call that changes the catalogue.
func (c *clients) alter(n *node, table string) {
	v := c.w.weather
	switch x := c.w.rand.Float64(); {
	case x < 0.5:
		_ = n.create(table, c.options(table))
	case x < 0.58:
		if v.drops {
			_ = n.drop(table)
		}
	case !v.handlers:
	case x < 0.75:
		_ = n.install(table, c.module())
	case x < 0.82:
		n.rollBack(table)
	case x < 0.85:
		n.stepBack(table)
	case x < 0.87:
		n.disable(table)
	case x < 0.92:
		n.changeShadow(table)
	case x < 0.94:
		n.remove(table)
	default:
		_ = n.activate(table, table)
	}
}

// watch looks at the node's watches, and begins another one while there are few.
func (c *clients) watch(n *node, table string) {
	n.lookAtWatches()
	if len(n.watches) < maxWatches {
		n.watch(table)
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

func (c *clients) options(table string) engine.TableOptions {
	unresolved := []engine.Policy{engine.Keep, engine.Keep, engine.LWW, engine.RestartNode}
	if !c.w.weather.traps {
		unresolved = unresolved[:3]
	}
	return engine.TableOptions{
		Type:       pick(c.w, []engine.TableType{engine.Set, engine.Set, engine.OrderedSet}),
		Ack:        pick(c.w, []engine.AckLevel{engine.AckAll, engine.AckAll, engine.AckOne, engine.AckQuorum}),
		Unresolved: pick(c.w, unresolved),
		Deletes:    pick(c.w, []engine.Deletes{engine.HiddenDeletes, engine.VisibleDeletes}),
		Local:      isLocal(table),
	}
}

func (c *clients) module() string {
	modules := []string{"union", "latest", "remove", "keep", "delete", "fail", "poison", "poison", "trap"}
	switch {
	case c.w.weather.mines:
		modules = []string{"trap", "poison"}
	case !c.w.weather.traps:
		modules = modules[:6]
	}
	return pick(c.w, modules) + fmt.Sprintf(" %d", c.w.rand.IntN(3))
}

// withToken makes the write one of a client that has read before, if one has.
func (c *clients) withToken(n *node, w write) write {
	if len(c.tokens) == 0 {
		return w
	}
	t := pick(c.w, c.tokens)
	if isLocal(t.story.ID.table) && t.story.ID.at != n.memoryID() {
		return w // nobody takes the token of a local table elsewhere
	}
	w.table, w.keys, w.token = t.story.ID.table, []string{t.story.ID.key}, &t
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

// write lets a client write.
func (c *clients) write(n *node, w write) {
	w.level = pick(c.w, []engine.AckLevel{"", "", "", engine.AckAll, engine.AckQuorum, engine.AckOne, engine.AckLocal})
	_ = n.write(w) // the clients of a random history only go on; what the outcome must be, write checks
}
