// Package resttest has an in-memory rest.Store for tests of the HTTP server, its client and the command line: one node that is a cluster of its
// own. It keeps what the contract says about tables, versions and errors, and nothing of how a real node does it.
package resttest

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
)

// Store is a rest.Store in memory. It is safe for concurrent use.
type Store struct {
	// mu guards all fields.
	mu        sync.Mutex
	ready     bool
	peer      string
	failure   error
	seq       uint64
	tables    map[string]*table
	plugins   []engine.PluginInfo
	conflicts []engine.Conflict
	members   []engine.Member
	watchers  map[*watcher]struct{}
	log       *engine.Log
	// watched is closed and replaced whenever a watch begins.
	watched chan struct{}
}

var _ rest.Store = (*Store)(nil)

type table struct {
	info engine.TableInfo
	keys map[string]*object
}

// object is a key: its siblings, and the number of the last write to it.
type object struct {
	siblings []sibling
	last     uint64
}

type sibling struct {
	seq   uint64
	value []byte
}

// New returns a ready store without tables.
func New() *Store {
	return &Store{
		ready: true, log: engine.NewLog(), tables: map[string]*table{}, watchers: map[*watcher]struct{}{}, watched: make(chan struct{}),
		members: []engine.Member{{
			Name: "a", Incarnation: self(), HTTP: "127.0.0.1:7070", Route: "127.0.0.1:6222", Self: true, Connected: true, Ready: true,
		}},
	}
}

// SetReady says whether the node is ready and, while it is not, which ready peer it knows; "" means none.
func (s *Store) SetReady(ready bool, peer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready, s.peer, s.members[0].Ready = ready, peer, ready
}

// Fail makes every call return the error until it is nil again.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
}

// Ready implements rest.Store.
func (s *Store) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready
}

// AwaitReady implements rest.Store: it does not wait.
func (s *Store) AwaitReady(context.Context) error {
	if !s.Ready() {
		return engine.ErrNotReady
	}
	return nil
}

// ReadyPeer implements rest.Store.
func (s *Store) ReadyPeer() (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer, s.peer != ""
}

// enter takes the lock, unless the call has to fail.
func (s *Store) enter(ctx context.Context) (leave func(), err error) {
	s.mu.Lock()
	if s.failure != nil {
		defer s.mu.Unlock()
		return nil, s.failure
	}
	if err := ctx.Err(); err != nil {
		defer s.mu.Unlock()
		return nil, err
	}
	return s.mu.Unlock, nil
}

// Status implements rest.Store.
func (s *Store) Status(ctx context.Context) (engine.Status, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return engine.Status{}, err
	}
	defer leave()
	status := engine.Status{
		Name: "a", Cluster: "kvnode", Actor: self(), Ready: s.ready, Uptime: time.Minute, Members: slices.Clone(s.members),
		Tables: len(s.tables), Digest: strconv.FormatUint(s.seq, 16),
	}
	for _, t := range s.tables {
		info := t.describe()
		status.Keys += info.Keys
		status.Conflicts += info.Conflicts
	}
	return status, nil
}

// Members implements rest.Store.
func (s *Store) Members(ctx context.Context) ([]engine.Member, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return slices.Clone(s.members), nil
}

// AddMember makes the store know another node.
func (s *Store) AddMember(m engine.Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members = append(s.members, m)
}

// Forget implements rest.Store.
func (s *Store) Forget(ctx context.Context, member string) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	i := slices.IndexFunc(s.members, func(m engine.Member) bool { return m.Name == member })
	switch {
	case i < 0:
		return engine.ErrNoMember
	case s.members[i].Connected:
		return engine.ErrMemberConnected
	}
	s.members = slices.Delete(s.members, i, i+1)
	return nil
}

// CreateTable implements rest.Store.
func (s *Store) CreateTable(ctx context.Context, name string, o engine.TableOptions) (engine.TableInfo, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return engine.TableInfo{}, err
	}
	defer leave()
	if name == "" || strings.ContainsAny(name, "/ ") {
		return engine.TableInfo{}, engine.ErrBadTableName
	}
	o, err = withDefaults(o, name)
	if err != nil {
		return engine.TableInfo{}, err
	}
	t, ok := s.tables[name]
	if ok && t.info.Options != o {
		return engine.TableInfo{}, fmt.Errorf("%w: it has %s", engine.ErrTableExists, t.info.Options)
	}
	if !ok {
		s.seq++
		t = &table{info: engine.TableInfo{Name: name, Epoch: s.seq, Options: o}, keys: map[string]*object{}}
		s.tables[name] = t
	}
	return t.describe(), nil
}

func withDefaults(o engine.TableOptions, name string) (engine.TableOptions, error) {
	if o.Type == "" {
		o.Type = engine.Set
	}
	if o.Ack == "" {
		o.Ack = engine.AckAll
	}
	if o.Unresolved == "" {
		o.Unresolved = engine.Keep
	}
	if o.Deletes == "" {
		o.Deletes = engine.HiddenDeletes
	}
	if o.Handler == "" {
		o.Handler = name
	}
	if o.Type != engine.Set && o.Type != engine.OrderedSet {
		return o, fmt.Errorf("%w: type %q", engine.ErrBadOption, o.Type)
	}
	return o, nil
}

func (t *table) describe() engine.TableInfo {
	info := t.info
	for key, o := range t.keys {
		if len(o.siblings) == 0 {
			continue
		}
		info.Keys++
		info.Bytes += int64(len(key))
		for _, v := range o.siblings {
			info.Bytes += int64(len(v.value))
		}
		if len(o.siblings) > 1 {
			info.Conflicts++
		}
	}
	return info
}

// DropTable implements rest.Store.
func (s *Store) DropTable(ctx context.Context, name string) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := s.tables[name]; !ok {
		return engine.ErrNoTable
	}
	delete(s.tables, name)
	s.endWatches(name, engine.ErrNoTable)
	return nil
}

// ClearTable implements rest.Store.
func (s *Store) ClearTable(ctx context.Context, name string) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	t, ok := s.tables[name]
	if !ok {
		return engine.ErrNoTable
	}
	for key := range t.keys {
		s.write(t, key, nil, engine.WriteOptions{})
	}
	return nil
}

// Tables implements rest.Store.
func (s *Store) Tables(ctx context.Context) ([]engine.TableInfo, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var infos []engine.TableInfo
	for _, name := range slices.Sorted(maps.Keys(s.tables)) {
		infos = append(infos, s.tables[name].describe())
	}
	return infos, nil
}

// Table implements rest.Store.
func (s *Store) Table(ctx context.Context, name string) (engine.TableInfo, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return engine.TableInfo{}, err
	}
	defer leave()
	t, ok := s.tables[name]
	if !ok {
		return engine.TableInfo{}, engine.ErrNoTable
	}
	return t.describe(), nil
}

// self is the one node's actor.
func self() clock.Actor { return clock.ActorFrom([clock.ActorSize]byte{1, 2, 3, 4}) }

// epoch is the time at which everything happens.
func epoch() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// token is the context of all writes of the key up to seq.
func token(t *table, key string, seq uint64) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s\x00%d\x00%s\x00%d", t.info.Name, t.info.Epoch, hash([]byte(key)), seq))
}

// covered is the inverse of token.
func covered(t *table, key, context string) (uint64, error) {
	raw, err := base64.RawURLEncoding.DecodeString(context)
	if err != nil {
		return 0, engine.ErrBadContext
	}
	prefix := fmt.Sprintf("%s\x00%d\x00%s\x00", t.info.Name, t.info.Epoch, hash([]byte(key)))
	digits, ok := strings.CutPrefix(string(raw), prefix)
	if !ok {
		return 0, engine.ErrBadContext
	}
	seq, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, engine.ErrBadContext
	}
	return seq, nil
}
