package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
	"unicode/utf8"

	"github.com/kvnode/kvnode/clock"
)

// Config is everything that Open needs to know. Zero fields mean the defaults of DefaultConfig.
type Config struct {
	// Name is the node's name for people; unique among the live members of a cluster. Required.
	Name string
	// Cluster is the cluster's name, shown in Status. Default "kvnode".
	Cluster string
	// Actor is this incarnation's identity: random, minted at every start. Required. Its String is the node's ID on the network.
	Actor clock.Actor
	// HTTP and Route are told to the other members.
	HTTP  string
	Route string
	// ExpectPeers says that this node joins others: it waits up to ReadyWait for a first peer before it serves alone. So does a node whose
	// Legacy knows of other members.
	ExpectPeers bool
	// ReadyWait is how long a joining node waits for a first peer. Default 3 s. Longer delays a start without peers.
	ReadyWait time.Duration
	// HelloInterval is the pause between heartbeats. Default 250 ms. Longer is cheaper and sees cuts later.
	HelloInterval time.Duration
	// SuspectAfter is the silence after which a peer counts as gone. Default 1.2 s.
	SuspectAfter time.Duration
	// SyncInterval is the mean pause between repair rounds with a peer whose clocks differ. Default 1 s, jittered.
	SyncInterval time.Duration
	// StableView is how long the members must not have changed before a merger runs a handler. Default 2 s.
	StableView time.Duration
	// AckTimeout bounds the wait for acknowledgements. Default 5 s.
	AckTimeout time.Duration
	// ForgetAfter is how long a member may be away before it is forgotten: then nothing waits for it any more. Default 24 h. Shorter frees memory
	// sooner; a member that comes back later has to take everything anew.
	ForgetAfter time.Duration
	// CloseAfter is how long an incarnation must have been gone before the members agree on what it left behind, and forget it. Default 1 min.
	CloseAfter time.Duration
	// Restarts counts the restarts that led to this incarnation.
	Restarts int
	// OnTrap is what a trap at the merging node leads to. Default RestartInPlace.
	OnTrap TrapAction
	// Secret authenticates the tokens of a cluster that this node begins; others take it over. At least 16 random bytes that nobody can guess.
	// Default: from Random, which is for simulations.
	Secret []byte
	// Random drives jitter. Default: seeded from the actor, so that a simulation replays.
	Random *rand.Rand
	// Now is the wall clock: it dates what is written. Default time.Now, whose monotonic reading keeps intervals right when the clock is set.
	Now func() time.Time
	// Events receives what happens. It is called from several goroutines, and must not block nor call the engine. Default: nowhere.
	Events func(Event)
	// Builtin returns the handler that this node brings along under a name, if there is one. It is installed when a table that is
	// created names it, or it is activated. Default: there is none.
	Builtin func(name string) (h Builtin, ok bool)
	// Legacy is what an earlier incarnation in this process handed over, or nil.
	Legacy *Legacy
}

// minSecret is the length of a secret in bytes.
const minSecret = 16

// TrapAction is what follows a trap at the merging node, once the quarantine is known to the connected members.
type TrapAction string

// The trap actions.
const (
	// RestartInPlace asks the embedder to close the engine and open the next incarnation with its Legacy.
	RestartInPlace TrapAction = "restart"
	// ExitProcess ends the process once a ready peer has this node's full clock; until one has, the node restarts in place instead.
	ExitProcess TrapAction = "exit"
)

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Cluster:       "kvnode",
		ReadyWait:     3 * time.Second,
		HelloInterval: 250 * time.Millisecond,
		SuspectAfter:  1200 * time.Millisecond,
		SyncInterval:  time.Second,
		StableView:    2 * time.Second,
		AckTimeout:    5 * time.Second,
		ForgetAfter:   24 * time.Hour,
		CloseAfter:    time.Minute,
		OnTrap:        RestartInPlace,
		Now:           time.Now,
		Events:        func(Event) {},
		Builtin:       func(string) (Builtin, bool) { return Builtin{}, false },
	}
}

// Validate refuses nonsense and names the field.
func (c Config) Validate() error {
	switch {
	case c.Name == "":
		return errors.New("config: Name is empty")
	case !validName(c.Name):
		return fmt.Errorf("config: Name %q: use 1 to 128 letters, digits, '-', '_' or '.', starting with a letter or digit", c.Name)
	case c.Actor.IsZero():
		return errors.New("config: Actor is zero; mint one with clock.NewActor")
	case !utf8.ValidString(c.Cluster), !utf8.ValidString(c.HTTP), !utf8.ValidString(c.Route):
		return fmt.Errorf("config: Cluster %q, HTTP %q and Route %q must be UTF-8", c.Cluster, c.HTTP, c.Route)
	case c.HelloInterval <= 0, c.SuspectAfter < 2*c.HelloInterval:
		return fmt.Errorf("config: SuspectAfter %v must be at least twice HelloInterval %v", c.SuspectAfter, c.HelloInterval)
	case c.OnTrap != RestartInPlace && c.OnTrap != ExitProcess:
		return fmt.Errorf("config: OnTrap %q: use %q or %q", c.OnTrap, RestartInPlace, ExitProcess)
	}
	return nil
}

// withDefaults fills zero fields.
func (c Config) withDefaults() Config {
	d := DefaultConfig()
	c.Cluster = orDefault(c.Cluster, d.Cluster)
	c.ReadyWait = orDefault(c.ReadyWait, d.ReadyWait)
	c.HelloInterval = orDefault(c.HelloInterval, d.HelloInterval)
	c.SuspectAfter = orDefault(c.SuspectAfter, d.SuspectAfter)
	c.SyncInterval = orDefault(c.SyncInterval, d.SyncInterval)
	c.StableView = orDefault(c.StableView, d.StableView)
	c.AckTimeout = orDefault(c.AckTimeout, d.AckTimeout)
	c.ForgetAfter = orDefault(c.ForgetAfter, d.ForgetAfter)
	c.CloseAfter = orDefault(c.CloseAfter, d.CloseAfter)
	c.OnTrap = orDefault(c.OnTrap, d.OnTrap)
	if c.Now == nil {
		c.Now = d.Now
	}
	if c.Events == nil {
		c.Events = d.Events
	}
	if c.Builtin == nil {
		c.Builtin = d.Builtin
	}
	if c.Random == nil {
		c.Random = rand.New(rand.NewPCG(c.Actor.Origin(), 1))
	}
	for len(c.Secret) < minSecret {
		c.Secret = binary.BigEndian.AppendUint64(c.Secret, c.Random.Uint64())
	}
	return c
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}
