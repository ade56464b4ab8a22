package rest

import (
	"fmt"
	"time"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
)

// KeyJSON is a key in JSON.
type KeyJSON struct {
	Key       *text  `json:"key,omitempty"`
	KeyBase64 []byte `json:"key_base64,omitempty"`
}

// ValueJSON is a value in JSON; both fields are absent when there is none.
type ValueJSON struct {
	Value       *text  `json:"value,omitempty"`
	ValueBase64 []byte `json:"value_base64,omitempty"`
}

// EntryJSON is an engine.Entry in JSON.
type EntryJSON struct {
	KeyJSON
	ValueJSON

	// Deleted says that the handler, or the policy, decided that the key goes.
	Deleted bool         `json:"deleted,omitempty"`
	State   engine.State `json:"state,omitempty"`
	// Siblings are left out where they would only repeat the value.
	Siblings []VersionJSON `json:"siblings,omitempty"`
	Context  string        `json:"context,omitempty"`
	Reason   string        `json:"reason,omitempty"`
}

// VersionJSON is an engine.Version in JSON; without a value it is a delete.
type VersionJSON struct {
	ValueJSON

	// Stamp is a string: it has more digits than a number in JavaScript keeps.
	Stamp clock.Timestamp `json:"stamp,string"`
	Time  time.Time       `json:"time"`
	Actor clock.Actor     `json:"actor"`
	Dot   string          `json:"dot"`
	// Deleted says that this version is a delete.
	Deleted bool `json:"deleted,omitempty"`
}

// ChangeJSON is one line of a watch.
type ChangeJSON struct {
	// Type is ready (once, first), put, delete, heartbeat, or end (the last line, with the reason).
	Type  string     `json:"type"`
	Entry *EntryJSON `json:"entry,omitempty"`
	Error *ErrorJSON `json:"error,omitempty"`
}

// ErrorJSON is the body of every answer that is an error.
type ErrorJSON struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// WrittenJSON is an engine.Written in JSON.
type WrittenJSON struct {
	Acked   int                `json:"acked"`
	Entries []WrittenEntryJSON `json:"entries"`
}

// WrittenEntryJSON is what a write did to one key.
type WrittenEntryJSON struct {
	KeyJSON

	Context string `json:"context"`
	// Previous is there only when asked for, and when the key was there.
	Previous *EntryJSON `json:"previous,omitempty"`
}

// ConflictJSON is an engine.Conflict in JSON.
type ConflictJSON struct {
	ID    string `json:"id"`
	Table string `json:"table"`
	KeyJSON
	ValueJSON

	Versions []VersionJSON `json:"versions"`
	// Base is what all versions have overwritten, if it is known.
	Base      *VersionJSON  `json:"base,omitempty"`
	State     engine.State  `json:"state"`
	Verdict   string        `json:"verdict"`
	Reason    string        `json:"reason,omitempty"`
	Recorded  *OutcomeJSON  `json:"recorded,omitempty"`
	Plugin    string        `json:"plugin,omitempty"`
	SHA256    string        `json:"sha256,omitempty"`
	Fuel      uint64        `json:"fuel,omitempty"`
	Took      time.Duration `json:"took_ns,omitempty"`
	Merger    string        `json:"merger,omitempty"`
	Restarted string        `json:"restarted,omitempty"`
	Time      time.Time     `json:"time"`
	Open      bool          `json:"open"`
}

// NewEntryJSON encodes an entry. It shares the entry's bytes.
func NewEntryJSON(e engine.Entry) EntryJSON {
	j := EntryJSON{KeyJSON: newKeyJSON(e.Key), Deleted: e.Deleted, State: e.State, Context: e.Context, Reason: e.Reason}
	if !e.Deleted {
		j.ValueJSON = newValueJSON(e.Value)
	}
	j.Siblings = newVersionsJSON(e.Siblings)
	return j
}

// Entry decodes an entry; the error wraps ErrBadRequest.
func (j EntryJSON) Entry() (engine.Entry, error) {
	key, err := j.key()
	if err != nil {
		return engine.Entry{}, err
	}
	value, err := j.value()
	if err != nil {
		return engine.Entry{}, err
	}
	siblings, err := versions(j.Siblings)
	if err != nil {
		return engine.Entry{}, err
	}
	return engine.Entry{
		Key: key, Value: value, Deleted: j.Deleted, State: j.State, Siblings: siblings, Context: j.Context, Reason: j.Reason,
	}, nil
}

// KV decodes only the key and the value, which must both be there; the error wraps ErrBadRequest.
func (j EntryJSON) KV() (engine.KV, error) {
	key, err := j.key()
	if err != nil {
		return engine.KV{}, err
	}
	value, err := j.value()
	if err != nil {
		return engine.KV{}, err
	}
	if value == nil {
		return engine.KV{}, fmt.Errorf("%w: key %.64q has neither value nor value_base64", ErrBadRequest, key)
	}
	return engine.KV{Key: key, Value: value}, nil
}

// NewChangeJSON encodes a change. It shares the entry's bytes.
func NewChangeJSON(c engine.Change) ChangeJSON {
	e := NewEntryJSON(c.Entry)
	j := ChangeJSON{Type: "put", Entry: &e}
	if c.Deleted {
		j.Type = "delete"
	}
	return j
}

// NewWrittenJSON encodes the outcome of writing the keys; previous says whether to show what was replaced.
func NewWrittenJSON(keys []string, w engine.Written, previous bool) WrittenJSON {
	j := WrittenJSON{Acked: w.Acked, Entries: make([]WrittenEntryJSON, len(keys))}
	for i, key := range keys {
		j.Entries[i].KeyJSON = newKeyJSON(key)
		if i < len(w.Contexts) {
			j.Entries[i].Context = w.Contexts[i]
		}
		if previous && i < len(w.Previous) && len(w.Previous[i].Siblings) > 0 {
			e := NewEntryJSON(w.Previous[i])
			j.Entries[i].Previous = &e
		}
	}
	return j
}

// Written decodes the outcome of a write; Previous is empty when the answer has none.
func (j WrittenJSON) Written() (engine.Written, error) {
	w := engine.Written{Acked: j.Acked}
	for _, e := range j.Entries {
		w.Contexts = append(w.Contexts, e.Context)
		previous := EntryJSON{KeyJSON: e.KeyJSON}
		if e.Previous != nil {
			previous = *e.Previous
		}
		entry, err := previous.Entry()
		if err != nil {
			return engine.Written{}, err
		}
		w.Previous = append(w.Previous, entry)
	}
	return w, nil
}

// NewConflictJSON encodes a conflict. It shares the conflict's bytes.
func NewConflictJSON(c engine.Conflict) ConflictJSON {
	j := ConflictJSON{
		ID: c.ID, Table: c.Table, KeyJSON: newKeyJSON(c.Key), ValueJSON: newValueJSON(c.Value), Versions: newVersionsJSON(c.Versions),
		State: c.State, Verdict: c.Verdict, Reason: c.Reason, Plugin: c.Plugin, SHA256: c.SHA256, Fuel: c.Fuel, Took: c.Took, Merger: c.Merger,
		Restarted: c.Restarted, Time: c.Time, Open: c.Open,
	}
	if c.Base != nil {
		base := newVersionJSON(*c.Base)
		j.Base = &base
	}
	if c.Recorded != nil {
		recorded := newOutcomeJSON(*c.Recorded)
		j.Recorded = &recorded
	}
	return j
}

// Conflict decodes a conflict; the error wraps ErrBadRequest.
func (j ConflictJSON) Conflict() (engine.Conflict, error) {
	key, err := j.key()
	if err != nil {
		return engine.Conflict{}, err
	}
	value, err := j.value()
	if err != nil {
		return engine.Conflict{}, err
	}
	siblings, err := versions(j.Versions)
	if err != nil {
		return engine.Conflict{}, err
	}
	c := engine.Conflict{
		ID: j.ID, Table: j.Table, Key: key, Value: value, Versions: siblings, State: j.State, Verdict: j.Verdict, Reason: j.Reason,
		Plugin: j.Plugin, SHA256: j.SHA256, Fuel: j.Fuel, Took: j.Took, Merger: j.Merger, Restarted: j.Restarted, Time: j.Time, Open: j.Open,
	}
	if j.Base != nil {
		base, err := j.Base.version()
		if err != nil {
			return engine.Conflict{}, err
		}
		c.Base = &base
	}
	if j.Recorded != nil {
		recorded, err := j.Recorded.outcome()
		if err != nil {
			return engine.Conflict{}, err
		}
		c.Recorded = &recorded
	}
	return c, nil
}

func newKeyJSON(key string) KeyJSON {
	t, b64 := pack([]byte(key))
	return KeyJSON{Key: t, KeyBase64: b64}
}

func (j KeyJSON) key() (string, error) {
	key, err := unpack("key", j.Key, j.KeyBase64)
	if err == nil && key == nil {
		err = fmt.Errorf("%w: neither key nor key_base64 is given", ErrBadRequest)
	}
	return string(key), err
}

func newValueJSON(value []byte) ValueJSON {
	t, b64 := pack(value)
	return ValueJSON{Value: t, ValueBase64: b64}
}

func (j ValueJSON) value() ([]byte, error) {
	return unpack("value", j.Value, j.ValueBase64)
}

func newVersionsJSON(versions []engine.Version) []VersionJSON {
	js := make([]VersionJSON, len(versions))
	for i, v := range versions {
		js[i] = newVersionJSON(v)
	}
	return js
}

func newVersionJSON(v engine.Version) VersionJSON {
	return VersionJSON{ValueJSON: newValueJSON(v.Value), Stamp: v.Stamp, Time: v.Time, Actor: v.Actor, Dot: v.Dot, Deleted: v.Deleted}
}

func versions(js []VersionJSON) ([]engine.Version, error) {
	var versions []engine.Version
	for _, j := range js {
		v, err := j.version()
		if err != nil {
			return nil, err
		}
		versions = append(versions, v)
	}
	return versions, nil
}

func (j VersionJSON) version() (engine.Version, error) {
	value, err := j.value()
	return engine.Version{Value: value, Stamp: j.Stamp, Time: j.Time, Actor: j.Actor, Dot: j.Dot, Deleted: j.Deleted}, err
}
