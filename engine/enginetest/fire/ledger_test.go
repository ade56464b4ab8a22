package fire_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest/fire"
)

// shelf is a store that keeps one value of each key, and may be told to lie.
type shelf struct {
	mu   sync.Mutex
	held map[string]string
	old  map[string]string
	puts int
	lie  func(s *shelf, key, value string)
}

// lieAt is the call from which on a shelf lies.
const lieAt = 400

func (s *shelf) Put(_ context.Context, _ string, kvs []engine.KV, _ ...engine.WriteOption) (engine.Written, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	out := engine.Written{Acked: 1}
	for _, kv := range kvs {
		out.Previous = append(out.Previous, s.entry(kv.Key))
		s.old[kv.Key], s.held[kv.Key] = s.held[kv.Key], string(kv.Value)
		if s.lie != nil && s.puts >= lieAt {
			s.lie(s, kv.Key, string(kv.Value))
		}
	}
	return out, nil
}

func (s *shelf) Delete(_ context.Context, _ string, keys []string, _ ...engine.WriteOption) (engine.Written, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := engine.Written{Acked: 1}
	for _, key := range keys {
		out.Previous = append(out.Previous, s.entry(key))
		delete(s.held, key)
	}
	return out, nil
}

func (s *shelf) Get(_ context.Context, _, key string) (engine.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entry(key), nil
}

func (s *shelf) entry(key string) engine.Entry {
	e := engine.Entry{Key: key}
	if v, ok := s.held[key]; ok {
		e.Siblings = []engine.Version{{Value: []byte(v)}}
	}
	return e
}

func (s *shelf) siblings() map[string][]string {
	out := map[string][]string{}
	for key, v := range s.held {
		out[key] = []string{v}
	}
	return out
}

// burn writes to a shelf for ten seconds and returns what the ledger finds wrong.
func burn(t *testing.T, s *shelf) []string {
	t.Helper()
	s.held, s.old = map[string]string{}, map[string]string{}
	crew := fire.Start(t.Context(), fire.Config{
		Seed: 1, Table: "t", Nodes: []string{"a"}, Levels: []engine.AckLevel{engine.AckLocal}, Rate: 500, Batch: 10,
		Plain: 400, Forked: 1000, ForkEvery: 1_000_000, ReadEvery: 1, Node: func(string) fire.Store { return s },
	})
	<-time.After(10 * time.Second)
	crew.Stop()
	return crew.Ledger().Verify(s.siblings(), true)
}

func TestLedgerFindsNothingWrongWithAnHonestStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { require.Empty(t, burn(t, &shelf{})) })
}

func TestLedgerNoticesLies(t *testing.T) {
	for what, lie := range map[string]func(s *shelf, key, value string){
		"is lost":                         func(s *shelf, key, _ string) { delete(s.held, key) },
		"came back after it was replaced": func(s *shelf, key, _ string) { s.held[key] = s.old[key] },
		"was refused, or never written":   func(s *shelf, key, value string) { s.held[key] = value + "?" },
		"which was acknowledged there":    func(s *shelf, key, _ string) { delete(s.held, key) },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wrong := burn(t, &shelf{lie: lie})
				require.True(t, slices.ContainsFunc(wrong, func(s string) bool { return strings.Contains(s, what) }), "%q", wrong)
			})
		})
	}
}
