package engine_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

// matched lists the keys that a pattern selects, as they come.
func matched(t *testing.T, n *enginetest.Node, table string, p engine.Pattern) []string {
	t.Helper()
	keys := []string{}
	for e, err := range n.Match(t.Context(), table, p) {
		require.NoError(t, err)
		keys = append(keys, e.Key)
	}
	return keys
}

func TestMatchSelectsByKeyGlob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		for _, key := range []string{"user/1", "user/2", "user/10", "item/1", "us*r", "über", "user/\xff"} {
			put(t, c.Node("a"), "carts", key, "v")
		}
		for pattern, want := range map[string][]string{
			"user/*":        {"user/1", "user/10", "user/2", "user/\xff"},
			"user/?":        {"user/1", "user/2", "user/\xff"},
			"*/1":           {"item/1", "user/1"},
			"user/[0-9]":    {"user/1", "user/2"},
			"user/[^0-9]":   {"user/\xff"},
			`us\*r`:         {"us*r"},
			"?ber":          {"über"},
			"user/\xff":     {"user/\xff"},
			"*e*/*1*":       {"item/1", "user/1", "user/10"},
			"user/1":        {"user/1"},
			"nobody":        {},
			"[iu]*/[1-15]":  {"item/1", "user/1"},
			"user/[1-9][0]": {"user/10"},
		} {
			got := matched(t, c.Node("a"), "carts", engine.Pattern{Key: pattern})
			slices.Sort(got)
			require.Equal(t, want, got, pattern)
		}
		require.Len(t, matched(t, c.Node("a"), "carts", engine.Pattern{}), 7)
	})
}

func TestMatchSelectsByPartialJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		for key, value := range map[string]string{
			"1": `{"name":"Ann","age":30,"tags":["x","y"],"home":{"city":"Ulm","zip":null}}`,
			"2": `{"name":"Bob","age":30.0,"tags":["x"]}`,
			"3": `{"name":"Cid","age":31}`,
			"4": `[1,2]`,
			"5": `plain text`,
			"6": `{"name":"Dan"} {"age":30}`,
		} {
			put(t, c.Node("a"), "carts", key, value)
		}
		for pattern, want := range map[string][]string{
			`{"age":30}`:               {"1", "2"},
			`{"age":3e1,"name":"_"}`:   {"1", "2"},
			`{"name":"Cid"}`:           {"3"},
			`{"tags":["x","_"]}`:       {"1"},
			`{"tags":"_"}`:             {"1", "2"},
			`{"home":{"city":"Ulm"}}`:  {"1"},
			`{"home":{"zip":null}}`:    {"1"},
			`{"home":{"street":null}}`: {},
			`{}`:                       {"1", "2", "3"},
			`[1,"_"]`:                  {"4"},
			`[1]`:                      {},
			`*text`:                    {"5"},
			`[[]1*`:                    {"4"},
		} {
			got := matched(t, c.Node("a"), "carts", engine.Pattern{Value: pattern})
			slices.Sort(got)
			require.Equal(t, want, got, pattern)
		}
		require.Equal(t, []string{"1"}, matched(t, c.Node("a"), "carts", engine.Pattern{Key: "[12]", Value: `{"name":"Ann"}`}))
	})
}

func TestBadPatternsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, p := range []engine.Pattern{
			{Key: "[a"},
			{Key: `a\`},
			{Key: "[z-a]"},
			{Key: "["},
			{Key: "[]"},
			{Key: `[a\`},
			{Value: "[a"},
			{Value: `{"a":`},
			{Value: `{"a":1} {"b":2}`},
			{Value: "{a}"},
		} {
			for _, err := range c.Node("a").Match(ctx, "carts", p) {
				require.ErrorIs(t, err, engine.ErrBadPattern, "%+v", p)
			}
			n := 0
			for _, err := range c.Node("a").Watch(ctx, "carts", p) {
				require.ErrorIs(t, err, engine.ErrBadPattern, "%+v", p)
				n++
			}
			require.Equal(t, 1, n)
		}
	})
}

func TestBracketAfterAJSONPatternIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		for _, pattern := range []string{`{"a":1}}`, `{"a":1}]`} {
			refused := false
			for _, err := range c.Node("a").Match(t.Context(), "carts", engine.Pattern{Value: pattern}) {
				require.ErrorIs(t, err, engine.ErrBadPattern, pattern)
				refused = true
			}
			require.True(t, refused, pattern)
		}
	})
}

func TestOrderedSetMatchesInKeyOrderAcrossPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enginetest.NewCluster(t, 1)
		c.StartAll("a", "b")
		_, err := c.Node("a").CreateTable(t.Context(), "carts", engine.TableOptions{Type: engine.OrderedSet})
		require.NoError(t, err)
		var kvs []engine.KV
		var want []string
		for i := range 9000 {
			key := fmt.Sprintf("k%04d", i)
			kvs = append(kvs, engine.KV{Key: key, Value: []byte("v")})
			if i/1000 == 7 {
				want = append(want, key)
			}
		}
		_, err = c.Node("a").Put(t.Context(), "carts", kvs)
		require.NoError(t, err)
		for _, name := range c.Names() {
			all := matched(t, c.Node(name), "carts", engine.Pattern{})
			require.Len(t, all, len(kvs))
			require.True(t, slices.IsSorted(all))
			require.Equal(t, want, matched(t, c.Node(name), "carts", engine.Pattern{Key: "k7*"}))
		}
	})
}

func TestMatchShowsVerdictsAndOmitsWhatTheyDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "union", "a", "b")
		create(t, c.Node("a"), "gone", "delete")
		fork(t, c.Node("a"), "k", "1", "2")
		before := token(t, c.Node("a"), "gone", "k")
		put(t, c.Node("a"), "gone", "k", "1", engine.WithContext(before))
		put(t, c.Node("a"), "gone", "k", "2", engine.WithContext(before))
		require.Equal(t, []string{"k"}, matched(t, c.Node("b"), "carts", engine.Pattern{Value: "1,2"}))
		require.Empty(t, matched(t, c.Node("b"), "gone", engine.Pattern{}))
	})
}

func TestMatchEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, "", "a")
		put(t, c.Node("a"), "carts", "k", "v")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, err := range c.Node("a").Match(ctx, "carts", engine.Pattern{}) {
			require.ErrorIs(t, err, context.Canceled)
		}
	})
}
