package kvnode

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"github.com/kvnode/kvnode/bus"
)

// saveInterval is the pause between attempts to write what could not be written.
const saveInterval = 2 * time.Second

// remembering is the network that keeps the known members' addresses in the data directory, so that a node finds its cluster again without --join.
// What cannot be written is reported once, and tried again.
type remembering struct {
	*bus.NATS
	cfg Config

	mu      sync.Mutex // guards what follows, and the file
	addrs   []string
	unsaved bool
}

// SetRoutes implements engine.Peers.
func (r *remembering) SetRoutes(addrs []string) error {
	return errors.Join(r.NATS.SetRoutes(addrs), r.save(addrs))
}

func (r *remembering) save(addrs []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.cfg.saveRoutes(addrs)
	r.addrs, r.unsaved = addrs, err != nil
	return err
}

// saveAgain writes what could not be written before.
func (r *remembering) saveAgain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unsaved && r.cfg.saveRoutes(r.addrs) == nil {
		r.unsaved = false
		r.cfg.Logger.Info("the known members are written again", "file", r.cfg.routesFile())
	}
}

func (c Config) routesFile() string { return filepath.Join(c.DataDir, "members.json") }

// saveRoutes replaces the file in one step.
func (c Config) saveRoutes(addrs []string) error {
	if c.DataDir == "" {
		return nil
	}
	b, err := json.Marshal(addrs)
	if err != nil {
		return fmt.Errorf("encode members: %w", err)
	}
	if err := renameio.WriteFile(c.routesFile(), append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	return nil
}

// loadRoutes reads the file, if there is one.
func (c Config) loadRoutes() ([]string, error) {
	if c.DataDir == "" {
		return nil, nil
	}
	b, err := os.ReadFile(c.routesFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDataDir, err)
	}
	var addrs []string
	if err := json.Unmarshal(b, &addrs); err != nil {
		return nil, fmt.Errorf("%s is no list of addresses; delete it if you do not need it: %w", c.routesFile(), err)
	}
	return addrs, nil
}
