package kvnode

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kvnode/kvnode/bus"
	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
)

// Defaults of a node.
const (
	DefaultHTTP    = "127.0.0.1:7070"
	DefaultRoute   = "127.0.0.1:6222"
	DefaultCluster = "kvnode"
)

// What follows a trap at the merging node.
const (
	// OnTrapRestart restarts the node within the process; it keeps its replicas. The default.
	OnTrapRestart = string(engine.RestartInPlace)
	// OnTrapExit ends the node with ErrExitOnTrap once a ready peer has confirmed everything that it holds, so that a supervisor starts it again.
	OnTrapExit = string(engine.ExitProcess)
)

// Config is everything that Open needs to know. Zero fields mean the defaults.
type Config struct {
	// Name is the node's name for people, unique among the live members. Default: the host's name.
	Name string
	// HTTP is the address (host:port) of the HTTP API; port 0 takes a free one. "-" serves no HTTP. Default 127.0.0.1:7070.
	HTTP string
	// Route is the address on which other nodes connect; port 0 takes a free one. Default 127.0.0.1:6222.
	Route string
	// Advertise is what other nodes are told instead of Route, behind NAT for example. Default: Route.
	Advertise string
	// Join are route addresses of other nodes; one is enough, gossip does the rest. Default: none, the node starts alone.
	Join []string
	// Dial maps addresses of other nodes, from Join or from what they tell of themselves, to those that are dialled in their place: proxies or tunnels.
	// Default: none.
	Dial map[string]string
	// Cluster is the cluster's name; nodes of other clusters are refused. Default "kvnode".
	Cluster string
	// DataDir keeps the addresses of known members, and compiled handlers. Default: none, nothing is written to disk.
	DataDir string
	// CacheDir keeps compiled handlers; nodes of one user may share it. It holds executable code. Default: cache in DataDir, if there is one.
	CacheDir string
	// NATSURL names an external NATS cluster to use instead of an embedded server. Default: none.
	NATSURL string
	// OnTrap is OnTrapRestart or OnTrapExit.
	OnTrap string
	// ReadyWait is how long a joining node waits for a first peer before it serves alone. Default 3 s.
	ReadyWait time.Duration
	// ForgetAfter is how long a member may be away before nothing waits for it any more. Default 24 h.
	ForgetAfter time.Duration
	// Logger gets what an operator should know. Default: nothing is logged.
	Logger *slog.Logger
	// Events receives what happens in the engine, on its own goroutines; it must not block nor call the node. Default: nowhere.
	Events func(engine.Event)
	// Metrics is where the node registers its metrics, besides GET /metrics of its HTTP API; they are taken out again when the node ends. Several
	// nodes of one process need a Registerer each, by prometheus.WrapRegistererWith for example. Default: nowhere else.
	Metrics prometheus.Registerer
	// WrapBus may change the network's configuration before it opens, for tests and demonstrations that cut links. Default: none.
	WrapBus func(bus.Config) bus.Config
}

// DefaultConfig returns the defaults; the name is the host's.
func DefaultConfig() Config {
	name, err := os.Hostname()
	if err != nil {
		name = "node"
	}
	return Config{
		Name: name, HTTP: DefaultHTTP, Route: DefaultRoute, Cluster: DefaultCluster, OnTrap: OnTrapRestart, ReadyWait: 3 * time.Second,
		ForgetAfter: 24 * time.Hour,
		Logger:      slog.New(slog.DiscardHandler), Events: func(engine.Event) {}, WrapBus: func(c bus.Config) bus.Config { return c },
	}
}

// withDefaults fills the zero fields.
func (c Config) withDefaults() Config {
	d := DefaultConfig()
	for _, f := range []struct{ field, value *string }{
		{&c.Name, &d.Name}, {&c.HTTP, &d.HTTP}, {&c.Route, &d.Route}, {&c.Cluster, &d.Cluster}, {&c.OnTrap, &d.OnTrap},
	} {
		if *f.field == "" {
			*f.field = *f.value
		}
	}
	if c.ReadyWait == 0 {
		c.ReadyWait = d.ReadyWait
	}
	if c.ForgetAfter == 0 {
		c.ForgetAfter = d.ForgetAfter
	}
	if c.Logger == nil {
		c.Logger = d.Logger
	}
	if c.Events == nil {
		c.Events = d.Events
	}
	if c.WrapBus == nil {
		c.WrapBus = d.WrapBus
	}
	return c
}

// noHTTP is the HTTP address that means: no HTTP API.
const noHTTP = "-"

// ConfigError is a field of Config that holds nonsense.
type ConfigError struct {
	// Field is the name of the field, Given what it holds, Want what is right.
	Field, Given, Want string
}

// Error names the field, what it holds and what is right.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("config: %s %q: use %s", e.Field, e.Given, e.Want)
}

// Validate refuses nonsense with a *ConfigError about the first field that is wrong. Zero fields that have a default are right. It looks at the values
// alone: whether an address is free shows when the node opens.
func (c Config) Validate() error {
	c = c.withDefaults()
	const dialled = "host:port that others can dial, such as " + DefaultRoute
	checks := []struct {
		ok                 bool
		field, given, want string
	}{
		{validName(c.Name), "Name", c.Name, "1 to 128 letters, digits, '-', '_' or '.', starting with a letter or digit"},
		{c.HTTP == noHTTP || validListen(c.HTTP), "HTTP", c.HTTP, "host:port such as " + DefaultHTTP + ", or '-' for no HTTP"},
		{validListen(c.Route), "Route", c.Route, "host:port such as " + DefaultRoute},
		{c.Advertise == "" || validDial(c.Advertise), "Advertise", c.Advertise, dialled},
		{validCluster(c.Cluster), "Cluster", c.Cluster, "1 to 128 printable bytes without spaces"},
		{c.OnTrap == OnTrapRestart || c.OnTrap == OnTrapExit, "OnTrap", c.OnTrap, OnTrapRestart + " or " + OnTrapExit},
		{c.ReadyWait > 0, "ReadyWait", c.ReadyWait.String(), "a positive time such as 3s"},
		{c.ForgetAfter > 0, "ForgetAfter", c.ForgetAfter.String(), "a positive time such as 24h"},
	}
	for _, check := range checks {
		if !check.ok {
			return &ConfigError{Field: check.field, Given: check.given, Want: check.want}
		}
	}
	for _, addr := range c.Join {
		if !validDial(addr) {
			return &ConfigError{Field: "Join", Given: addr, Want: dialled}
		}
	}
	for addr, instead := range c.Dial {
		if !validDial(addr) || !validDial(instead) {
			return &ConfigError{Field: "Dial", Given: addr + "=" + instead, Want: "two addresses, each " + dialled}
		}
	}
	return nil
}

// dial returns the address to dial for a node at addr.
func (c Config) dial(addr string) string {
	if instead, ok := c.Dial[addr]; ok {
		return instead
	}
	return addr
}

// validName asks the engine, which has the rule.
func validName(name string) bool {
	c := engine.DefaultConfig()
	c.Name, c.Actor = name, clock.ActorFrom([clock.ActorSize]byte{1})
	return c.Validate() == nil
}

// validListen, validDial and validCluster ask the bus, which has the rules. It takes an empty address for none, hence the first condition.
func validListen(addr string) bool { return addr != "" && validBus(bus.Config{Route: addr}) }
func validDial(addr string) bool   { return addr != "" && validBus(bus.Config{Advertise: addr}) }
func validCluster(n string) bool   { return validBus(bus.Config{Cluster: n}) }

func validBus(c bus.Config) bool {
	c.ID = "any"
	return c.Validate() == nil
}

// ErrDataDir says that the data directory cannot be used.
var ErrDataDir = errors.New("data directory cannot be written: choose another with --data, or mend its permissions, or make room on its disk")

// probeBytes is what is written to find out whether there is room.
const probeBytes = 64 << 10

// prepareDataDir makes sure that the data directory is there and can be written. It returns the folder for compiled handlers.
func (c Config) prepareDataDir() (cache string, err error) {
	if c.DataDir == "" {
		return c.CacheDir, nil
	}
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return "", fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	if err := probe(c.DataDir); err != nil {
		return "", fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	if c.CacheDir != "" {
		return c.CacheDir, nil
	}
	return filepath.Join(c.DataDir, "cache"), nil
}

// probe writes a file and removes it.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeBytes))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
}
