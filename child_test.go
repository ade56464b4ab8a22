package kvnode_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/rest"
)

// childVariable makes this test binary a child process of another: its value says which.
const childVariable = "KVNODE_TEST_CHILD"

// beChild does what a child process is for, and returns its exit code.
func beChild(kind string) int {
	children := map[string]func() error{"node": beNode, "full at start": beFullAtStart, "full at run time": beFullAtRunTime}
	if err := children[kind](); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// nodeAddrs is what a child node says of itself.
type nodeAddrs struct{ HTTP, Route string }

// beNode runs the node that the second environment variable describes, until standard input ends.
func beNode() error {
	var cfg kvnode.Config
	if err := json.Unmarshal([]byte(os.Getenv("KVNODE_TEST_NODE")), &cfg); err != nil {
		return fmt.Errorf("decode configuration: %w", err)
	}
	n, err := kvnode.Open(context.Background(), cfg)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(nodeAddrs{HTTP: n.HTTPAddr(), Route: n.RouteAddr()}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, n.Close(context.Background()))
}

// childCommand is this test binary as a child process that ends with the test.
func childCommand(t *testing.T, kind string, env ...string) *exec.Cmd {
	t.Helper()
	binary, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = append(append(os.Environ(), childVariable+"="+kind), env...)
	return cmd
}

// childNode is a node in a process of its own.
type childNode struct {
	*rest.Client
	nodeAddrs

	process *os.Process
}

// startChild starts a node in a process of its own; it ends with the test.
func startChild(t *testing.T, name string, join ...string) childNode {
	t.Helper()
	cfg, err := json.Marshal(map[string]any{
		"Name": name, "HTTP": "127.0.0.1:0", "Route": "127.0.0.1:0", "Cluster": "children", "Join": join,
	})
	require.NoError(t, err)
	cmd := childCommand(t, "node", "KVNODE_TEST_NODE="+string(cfg))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	require.NoError(t, err)
	n := childNode{process: cmd.Process}
	require.NoError(t, json.Unmarshal(line, &n.nodeAddrs))
	n.Client, err = rest.NewClient(n.HTTP)
	require.NoError(t, err)
	t.Cleanup(n.Close)
	return n
}
