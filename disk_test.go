//go:build unix

package kvnode_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/plugins/examples"
)

// setFileLimit bounds the files that this process writes, as a disk without room does.
func setFileLimit(bytes uint64) error {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = min(bytes, limit.Max)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}

// dataDir is the data directory of a child process.
func dataDir() string { return os.Getenv("KVNODE_TEST_DATA") }

// beFullAtStart opens a node on a disk without room, and expects to be told.
func beFullAtStart() error {
	if err := setFileLimit(0); err != nil {
		return err
	}
	cfg := local("a")
	cfg.DataDir = dataDir()
	_, err := kvnode.Open(context.Background(), cfg)
	if !errors.Is(err, kvnode.ErrDataDir) || !errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("open on a full disk: got %w", err)
	}
	return nil
}

// errorsSeen keeps the errors that a node reports.
type errorsSeen struct {
	mu   sync.Mutex
	seen []error
}

func (e *errorsSeen) note(event kvnode.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if event.Err != nil {
		e.seen = append(e.seen, event.Err)
	}
}

func (e *errorsSeen) has(target error) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, err := range e.seen {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// beFullAtRunTime opens a node, lets its disk run full and its directory go, and expects it to say so, to serve on, also after restarts, and to write
// again once there is room.
func beFullAtRunTime() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var reported errorsSeen
	cfg := local("a")
	cfg.DataDir, cfg.Events, cfg.ReadyWait = dataDir(), reported.note, time.Second
	a, err := kvnode.Open(ctx, cfg)
	if err != nil {
		return err
	}
	if err := setFileLimit(0); err != nil {
		return err
	}
	other := local("b")
	other.Join = []string{a.RouteAddr()}
	b, err := kvnode.Open(ctx, other)
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error {
			return until(ctx, "the error is reported", func() bool { return reported.has(kvnode.ErrDataDir) })
		},
		func() error { return b.Close(ctx) },
		func() error { return conflictOnTrap(ctx, a, "t") },
		func() error {
			return until(ctx, "it is back after a restart", func() bool { return a.Ready() && restarts(ctx, a) == 1 })
		},
		func() error {
			return errors.Join(os.Rename(dataDir(), dataDir()+".away"), os.WriteFile(dataDir(), nil, 0o600))
		},
		func() error { return conflictOnTrap(ctx, a, "u") },
		func() error {
			return until(ctx, "it is back after another", func() bool { return a.Ready() && restarts(ctx, a) == 2 })
		},
		func() error {
			return errors.Join(os.Remove(dataDir()), os.Rename(dataDir()+".away", dataDir()), setFileLimit(1<<40))
		},
		func() error {
			return until(ctx, "the members are written", func() bool {
				_, err := os.Stat(filepath.Join(dataDir(), "members.json"))
				return err == nil
			})
		},
		func() error { return a.Close(ctx) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func restarts(ctx context.Context, n *kvnode.Node) int {
	s, err := n.Status(ctx)
	if err != nil {
		return 0
	}
	return s.Restarts
}

// until waits until something is so.
func until(ctx context.Context, what string, so func() bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waited in vain: %s", what)
		}
	}
	return nil
}

// conflictOnTrap makes a conflict in a new table whose handler traps.
func conflictOnTrap(ctx context.Context, n *kvnode.Node, table string) error {
	_, err := n.CreateTable(ctx, table, kvnode.TableOptions{})
	if err != nil {
		return err
	}
	if _, err = n.InstallPlugin(ctx, table, examples.Trap(), kvnode.Limits{}); err != nil {
		return err
	}
	before, err := n.Get(ctx, table, "poison")
	if !errors.Is(err, engine.ErrNotFound) {
		return fmt.Errorf("read an absent key: got %w", err)
	}
	for _, value := range []string{"1", "2"} {
		_, err = n.Put(ctx, table, []kvnode.KV{{Key: "poison", Value: []byte(value)}}, kvnode.WithContext(before.Context))
		if err != nil {
			return err
		}
	}
	return nil
}

func TestDataDirectoryWithoutRoomIsSaidAtStart(t *testing.T) {
	said, err := childCommand(t, "full at start", "KVNODE_TEST_DATA="+t.TempDir()).CombinedOutput()
	require.NoError(t, err, "%s", said)
}

func TestNodeServesOnWhenItsDiskRunsFullAndWritesAgainWhenThereIsRoom(t *testing.T) {
	said, err := childCommand(t, "full at run time", "KVNODE_TEST_DATA="+t.TempDir()).CombinedOutput()
	require.NoError(t, err, "%s", said)
}
