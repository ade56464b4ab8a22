package engine

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// The catalogue is a replica like any other. Its records are siblings too when both sides of a split wrote them; facts derives from them, on
// every node alike, what holds. The first letters of a key say what it is.
const (
	keyTable      = "t/" // name
	keyHandler    = "h/" // table
	keyShadow     = "w/" // table
	keyPlugin     = "p/" // name/sha256
	keyModule     = "m/" // sha256/chunk
	keyQuarantine = "q/" // hash of table, epoch, key, siblings and handler
	keyMember     = "n/" // name
	keySecret     = "k/" // what tokens are authenticated with
	keySeal       = "s/" // incarnation
)

// tableRecord says that a table exists (Live) or was dropped. Epoch counts the drops.
type tableRecord struct {
	_       struct{} `cbor:",toarray"`
	Epoch   uint64
	Live    bool
	Options TableOptions
}

// tableFact is the record that holds, and the options that lost when both sides of a split created the table.
type tableFact struct {
	tableRecord
	Rejected []TableOptions
}

// handlerRecord says what runs for a table of this epoch. Its limits and metering are those that the module once had: as long as the module is installed, those
// of its pluginRecord are in force; see facts.asInstalled.
type handlerRecord struct {
	_          struct{} `cbor:",toarray"`
	TableEpoch uint64
	Plugin     string
	SHA256     string
	Epoch      uint64
	Time       uint64 // unix milliseconds
	Limits     Limits
	Rewriter   int
	Disabled   bool
	ByHand     bool // somebody has disabled it, not the restart intensity
}

// pluginRecord names an installed module; its bytes are in the keyModule records.
type pluginRecord struct {
	_        struct{} `cbor:",toarray"`
	Name     string
	SHA256   string
	Number   int // for people: counts the modules of this name
	Size     int
	Chunks   int
	Time     uint64 // unix milliseconds
	Limits   Limits
	Given    uint64 // when these limits were given: unix milliseconds, or later than those that they replace; 0 when none were
	Rewriter int
	Imports  []string
	Check    []byte // a report in JSON, or nothing
}

// quarantineRecord forbids one handler on exactly these siblings of a key.
type quarantineRecord struct {
	_        struct{} `cbor:",toarray"`
	Table    string
	Epoch    uint64
	Key      []byte // any bytes, hence no text
	Siblings string
	Handler  handlerRecord
	Reason   string
	Restart  bool
	Who      string
	Actor    clock.Actor
	Time     uint64 // unix milliseconds
}

// memberRecord is a known member with its current incarnation.
type memberRecord struct {
	_     struct{} `cbor:",toarray"`
	Name  string
	Actor clock.Actor
	HTTP  string
	Route string
}

// facts is what the catalogue says. Guarded by space.mu.
type facts struct {
	codec       codec
	tables      map[string]tableFact
	handlers    map[string]handlerEntry
	shadows     map[string]handlerRecord
	plugins     map[string]pluginRecord // by catalogue key
	quarantines map[string]quarantineRecord
	members     map[string]memberRecord
	seals       map[clock.Actor]sealRecord
	// told are seals that a member has told of and the catalogue here does not know yet.
	told map[clock.Actor]toldSeal
	// secrets authenticate tokens; the first makes them.
	secrets [][]byte
	// complete says whether all bytes of a module are here, by SHA-256, of those that were asked for since their bytes have changed.
	complete map[string]bool
	// version counts the changes; judging those that may change what becomes of conflicts; modules those of modules' bytes.
	version, judging, modules uint64
}

func newFacts() *facts {
	return &facts{
		codec:       newCodec(),
		tables:      map[string]tableFact{},
		handlers:    map[string]handlerEntry{},
		shadows:     map[string]handlerRecord{},
		plugins:     map[string]pluginRecord{},
		quarantines: map[string]quarantineRecord{},
		members:     map[string]memberRecord{},
		seals:       map[clock.Actor]sealRecord{},
		told:        map[clock.Actor]toldSeal{},
		complete:    map[string]bool{},
	}
}

// learn derives what the siblings of one catalogue key say. For a table it returns the name.
func (f *facts) learn(key string, versions []replica.Version) (string, []Event) {
	f.version++
	if key != "" && strings.Contains("thwpq", key[:1]) {
		f.judging++
	}
	if chunk, ok := strings.CutPrefix(key, keyModule); ok {
		sha, _, _ := strings.Cut(chunk, "/")
		delete(f.complete, sha)
		f.modules++
	}
	rest := key[min(2, len(key)):]
	switch key[:min(2, len(key))] {
	case keyTable:
		return rest, f.learnTable(rest, versions)
	case keyHandler:
		f.learnHandler(rest, versions)
	case keyShadow:
		put(f.shadows, rest, versions, f.codec, laterHandler)
	case keyPlugin:
		delete(f.plugins, key)
		if p, found := pluginOf(f.codec, versions); found {
			f.plugins[key] = p
		}
	case keyQuarantine:
		put(f.quarantines, key, versions, f.codec, func(a, b quarantineRecord) bool { return a.Restart && !b.Restart })
	case keySecret:
		f.secrets = nil
		for _, v := range versions {
			f.secrets = append(f.secrets, v.Value)
		}
	case keySeal:
		a, err := clock.ParseActor(rest)
		if err != nil {
			break // written by a newer node
		}
		put(f.seals, a, versions, f.codec, func(a, b sealRecord) bool { return a.Retired && !b.Retired })
	case keyMember:
		put(f.members, rest, versions, f.codec, func(memberRecord, memberRecord) bool { return false })
	}
	return "", nil
}

// seal returns the record of a dead incarnation: the catalogue's, or one that was told and says more.
func (f *facts) seal(a clock.Actor) (sealRecord, bool) {
	if told, ok := f.toldMore(a); ok {
		return told.Seal, true
	}
	held, known := f.seals[a]
	return held, known
}

// toldMore returns what was told of a dead incarnation, if it says more than the catalogue.
func (f *facts) toldMore(a clock.Actor) (toldSeal, bool) {
	told, ok := f.told[a]
	return told, ok && !f.hasSeal(told.Seal)
}

// hasSeal says whether the catalogue has a record that says as much.
func (f *facts) hasSeal(rec sealRecord) bool {
	held, known := f.seals[rec.Actor]
	return known && (held.Retired || !rec.Retired)
}

// put stores the best of the records, or nothing when there is none. Versions ascend by stamp: of equals the latest stays.
func put[K comparable, T any](to map[K]T, key K, versions []replica.Version, c codec, better func(held, than T) bool) {
	delete(to, key)
	for _, v := range versions {
		r, err := decode[T](c, v.Value)
		if err != nil {
			continue // written by a newer node; its meaning is unknown here
		}
		if held, ok := to[key]; ok && better(held, r) {
			continue
		}
		to[key] = r
	}
}

// tableFactOf picks the record that holds: the highest epoch (a drop wins over what it did not see); in it, existing wins over dropped; of two
// creations the earliest stamp. The versions ascend by stamp.
func tableFactOf(c codec, versions []replica.Version) (held tableFact, found bool) {
	for _, v := range versions {
		r, err := decode[tableRecord](c, v.Value)
		if err != nil {
			continue
		}
		r.Options.Deletes = orDefault(r.Options.Deletes, HiddenDeletes) // written by an older node
		switch {
		case !found || r.Epoch > held.Epoch || r.Epoch == held.Epoch && r.Live && !held.Live:
			held, found = tableFact{tableRecord: r}, true
		case r.Epoch == held.Epoch && r.Live && r.Options != held.Options && !slices.Contains(held.Rejected, r.Options):
			held.Rejected = append(held.Rejected, r.Options)
		}
	}
	return held, found
}

// learnTable keeps what holds of a table, and reports when it turns out that two sides of a split wanted different options.
func (f *facts) learnTable(name string, versions []replica.Version) []Event {
	held, found := tableFactOf(f.codec, versions)
	if !found {
		delete(f.tables, name)
		return nil
	}
	before := f.tables[name]
	f.tables[name] = held
	if len(held.Rejected) > len(before.Rejected) {
		return []Event{{Kind: EventOptionsDiffer, Table: name, Attrs: optionAttrs(held)}}
	}
	return nil
}

// sortedPlugins returns the installed modules, earliest first; those of one name in the order of their installation.
func (f *facts) sortedPlugins() []pluginRecord {
	first := map[string]uint64{}
	for _, p := range f.plugins {
		if at, ok := first[p.Name]; !ok || p.Time < at {
			first[p.Name] = p.Time
		}
	}
	return slices.SortedFunc(maps.Values(f.plugins), func(a, b pluginRecord) int {
		return cmp.Or(cmp.Compare(first[a.Name], first[b.Name]), strings.Compare(a.Name, b.Name), compareInstalled(a, b))
	})
}

// siblingsHash identifies siblings, given in canonical order, by their dots.
func siblingsHash(versions []replica.Version) string {
	var b []byte
	for _, v := range versions {
		actor := v.Dot.Actor.Bytes()
		b = binary.BigEndian.AppendUint64(append(b, actor[:]...), v.Dot.Counter)
	}
	sum := hash128(b)
	return hex.EncodeToString(sum[:8])
}
