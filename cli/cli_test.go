package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/cli"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/rest"
	"github.com/kvnode/kvnode/rest/resttest"
)

// scriptTimeout bounds what a script's own commands wait for.
const scriptTimeout = 20 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kvnode": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		code := cli.Run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr)
		stop()
		os.Exit(code)
	}})
}

// TestScripts runs testdata/script. Besides testscript's own commands a script has:
//
//	$EXAMPLES, $MODULES          the folders of the examples and of the modules for tests
//	fakenode                     serve an in-memory store, and ask it from now on
//	node NAME [JOIN-NAME]        run a real node, joined to a former one, and ask it from now on
//	ask NAME                     ask that node from now on; $ROUTE is its route address
//	exits CODE kvnode ARG...     run a command that must end with the exit code
//	fake ready|unready           say whether the fake node is ready
//	fake fail CODE|nothing       let every call of the fake node fail with the error of that code
//	fake siblings TABLE KEY V... write concurrent values to the fake node
//	fake conflict                put a conflict into the journal of the fake node
//	fake judged VERDICT          put a conflict with two versions and this verdict into the journal of the fake node
//	fake says SHA LEVEL TEXT     let a handler of the fake node print a line
//	fake disable TABLE           disable the handler of a table of the fake node
//	fake watched N               wait until the fake node has N watches
//	fake document FILE VALUE     check that the file is one JSON value, equal to the given one
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			for name, dir := range map[string]string{"EXAMPLES": "../plugins/examples", "MODULES": "../testdata/modules"} {
				path, err := filepath.Abs(filepath.FromSlash(dir))
				if err != nil {
					return err
				}
				env.Setenv(name, path)
			}
			env.Values[houseKey{}] = &house{addrs: map[string]string{}, routes: map[string]string{}}
			cache, err := exec.CommandContext(context.Background(), "go", "env", "GOCACHE").Output()
			if err != nil {
				return err
			}
			env.Setenv("GOCACHE", strings.TrimSpace(string(cache)))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fakenode": fakeNode, "node": realNode, "ask": ask, "exits": exits, "fake": fake,
		},
	})
}

// house is what a script has started.
type house struct {
	store         *resttest.Store
	addrs, routes map[string]string
}

type houseKey struct{}

func houseOf(ts *testscript.TestScript) *house {
	h, ok := ts.Value(houseKey{}).(*house)
	if !ok {
		ts.Fatalf("the script has no house")
	}
	return h
}

func fakeNode(ts *testscript.TestScript, _ bool, _ []string) {
	h := houseOf(ts)
	h.store = resttest.New()
	server, err := rest.NewServer(rest.Config{Store: h.store})
	ts.Check(err)
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	ts.Check(err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	ts.Defer(func() {
		ctx, cancel := context.WithTimeout(context.Background(), scriptTimeout)
		defer cancel()
		ts.Check(server.Close(ctx))
		ts.Check(<-served)
	})
	ts.Setenv("KVNODE_ADDR", listener.Addr().String())
}

func realNode(ts *testscript.TestScript, _ bool, args []string) {
	h := houseOf(ts)
	config := kvnode.Config{Name: args[0], HTTP: "127.0.0.1:0", Route: "127.0.0.1:0", Cluster: ts.Name()}
	for _, other := range args[1:] {
		config.Join = append(config.Join, h.routes[other])
	}
	ctx, cancel := context.WithTimeout(context.Background(), scriptTimeout)
	defer cancel()
	node, err := kvnode.Open(ctx, config)
	ts.Check(err)
	ts.Defer(func() {
		ctx, cancel := context.WithTimeout(context.Background(), scriptTimeout)
		defer cancel()
		ts.Check(node.Close(ctx))
	})
	ts.Check(node.AwaitReady(ctx))
	h.addrs[args[0]], h.routes[args[0]] = node.HTTPAddr(), node.RouteAddr()
	ask(ts, false, args)
}

func ask(ts *testscript.TestScript, _ bool, args []string) {
	h := houseOf(ts)
	ts.Setenv("KVNODE_ADDR", h.addrs[args[0]])
	ts.Setenv("ROUTE", h.routes[args[0]])
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%s", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func fake(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), scriptTimeout)
	defer cancel()
	store := houseOf(ts).store
	switch args[0] {
	case "ready", "unready":
		store.SetReady(args[0] == "ready", "")
	case "fail":
		store.Fail(errorOf(args[1]))
	case "siblings":
		ts.Check(writeSiblings(ctx, store, args[1], args[2], args[3:]))
	case "conflict":
		store.AddConflict(engine.Conflict{
			ID: "3f2a00112233445566778899", Table: "carts", Key: "alice\x1b[2J", State: engine.Kept, Verdict: "error", Reason: "no such cart",
			Plugin: "carts", Merger: "a", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Open: true,
			Versions: []engine.Version{{Value: []byte("1"), Dot: "a:1"}, {Value: []byte("\xff"), Dot: "b:1"}, {Dot: "c:1", Deleted: true}},
			Base:     &engine.Version{Value: []byte("0"), Dot: "a:0"},
		})
		store.AddConflict(engine.Conflict{ID: "5c0011223344", Table: "carts", Key: "bob", State: engine.Resolved, Verdict: "value"})
	case "judged":
		store.AddConflict(judged(args[1]))
	case "says":
		store.Say(engine.LogLine{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), SHA256: args[1], Level: args[2], Text: args[3]})
	case "disable":
		_, err := store.Disable(ctx, args[1])
		ts.Check(err)
	case "watched":
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		ts.Check(store.AwaitWatchers(ctx, n))
	case "document":
		checkDocument(ts, ts.ReadFile(args[1]), args[2])
	default:
		ts.Fatalf("unknown: fake %s", args[0])
	}
}

// judged is a conflict with a verdict that is no expectation, or with one of a handler that is disabled.
func judged(verdict string) engine.Conflict {
	c := engine.Conflict{
		Table: "carts", Key: "k", Verdict: verdict, Open: true, Versions: []engine.Version{{Value: []byte("1"), Stamp: 1}, {Value: []byte("2"), Stamp: 2}},
	}
	switch verdict {
	case "trap":
		c.ID, c.State, c.Reason = "e100", engine.Quarantined, "as the fake says"
	case "policy":
		c.ID, c.State = "e200", engine.Resolved
	case "disabled":
		c.ID, c.State, c.Verdict, c.Reason = "e400", engine.Disabled, "", "disabled by hand"
		c.Recorded = &engine.Outcome{State: engine.Resolved, Verdict: "value", Value: []byte("1,2")}
	default:
		c.ID, c.State = "e300", engine.Pending
	}
	return c
}

func errorOf(code string) error {
	for _, p := range rest.Problems() {
		if p.Code == code {
			return p.Err
		}
	}
	return nil
}

func writeSiblings(ctx context.Context, store *resttest.Store, table, key string, values []string) error {
	e, err := store.Get(ctx, table, key)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	for _, value := range values {
		if _, err := store.Put(ctx, table, []engine.KV{{Key: key, Value: []byte(value)}}, engine.WithContext(e.Context)); err != nil {
			return err
		}
	}
	return nil
}

func checkDocument(ts *testscript.TestScript, got, want string) {
	canonical := func(text string) string {
		var v any
		ts.Check(json.NewDecoder(strings.NewReader(text)).Decode(&v))
		raw, err := json.Marshal(v)
		ts.Check(err)
		return string(raw)
	}
	if canonical(got) != canonical(want) {
		ts.Fatalf("got %s, want %s", got, want)
	}
}
