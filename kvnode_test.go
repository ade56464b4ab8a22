package kvnode_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/bus"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/rest"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(childVariable); kind != "" {
		os.Exit(beChild(kind))
	}
	goleak.VerifyTestMain(m)
}

// patience bounds what a test waits for; it is no measure of speed.
const patience = 30 * time.Second

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// local is a node's configuration on free ports.
func local(name string) kvnode.Config {
	return kvnode.Config{Name: name, HTTP: "127.0.0.1:0", Route: "127.0.0.1:0", Cluster: "test"}
}

func open(t *testing.T, cfg kvnode.Config) *kvnode.Node {
	t.Helper()
	n, err := kvnode.Open(patient(t), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close(context.WithoutCancel(t.Context()))) })
	return n
}

func lab(t *testing.T, configure func(*kvnode.Config), names ...string) *kvnode.Lab {
	t.Helper()
	l, err := kvnode.OpenLab(patient(t), names, configure)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close(context.WithoutCancel(t.Context()))) })
	return l
}

func TestNodeServesHTTPAndTheLibraryAlike(t *testing.T) {
	ctx := patient(t)
	n := open(t, local("a"))
	_, err := n.CreateTable(ctx, "carts", kvnode.TableOptions{})
	require.NoError(t, err)
	client, err := rest.NewClient(n.HTTPAddr())
	require.NoError(t, err)
	defer client.Close()
	_, err = client.Put(ctx, "carts", []kvnode.KV{{Key: "k", Value: []byte("v")}})
	require.NoError(t, err)
	e, err := n.Get(ctx, "carts", "k")
	require.NoError(t, err)
	require.Equal(t, "v", string(e.Value))
}

func TestRequestWaitsUntilANodeWithoutReadyPeersIsReady(t *testing.T) {
	ctx := patient(t)
	cfg := local("a")
	cfg.Join, cfg.ReadyWait = []string{"127.0.0.1:1"}, time.Second
	n := open(t, cfg)
	client, err := rest.NewClient(n.HTTPAddr())
	require.NoError(t, err)
	defer client.Close()
	require.False(t, n.Ready())
	_, err = client.CreateTable(ctx, "carts", kvnode.TableOptions{})
	require.NoError(t, err)
	require.True(t, n.Ready())
}

func TestBadModulesAreRefusedAlikeEverywhere(t *testing.T) {
	ctx := patient(t)
	n := open(t, local("a"))
	client, err := rest.NewClient(n.HTTPAddr())
	require.NoError(t, err)
	defer client.Close()
	for name, module := range map[string][]byte{
		"text":  []byte("this is no module"),
		"empty": nil,
		"large": append([]byte("\x00asm\x01\x00\x00\x00"), make([]byte, 17<<20)...),
	} {
		_, err := n.InstallPlugin(ctx, "p", module, kvnode.Limits{})
		require.ErrorIs(t, err, engine.ErrBadModule, name)
		_, err = client.InstallPlugin(ctx, "p", module, kvnode.Limits{})
		require.ErrorIs(t, err, engine.ErrBadModule, name)
	}
	plugins, err := n.Plugins(ctx)
	require.NoError(t, err)
	require.Empty(t, plugins)
}

func TestPortInUseIsSaidAtStart(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()

	cfg := local("a")
	cfg.HTTP = l.Addr().String()
	_, err = kvnode.Open(patient(t), cfg)
	require.ErrorContains(t, err, "is in use")
	require.ErrorContains(t, err, "choose another with --http (Config.HTTP)", "both the program and its callers read it")
	require.ErrorContains(t, err, "--http")

	cfg = local("a")
	cfg.Route = l.Addr().String()
	_, err = kvnode.Open(patient(t), cfg)
	require.ErrorIs(t, err, bus.ErrAddrInUse)
}

func TestDataDirectoryThatIsAFileIsSaidAtStart(t *testing.T) {
	cfg := local("a")
	cfg.DataDir = filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(cfg.DataDir, nil, 0o600))
	_, err := kvnode.Open(patient(t), cfg)
	require.ErrorIs(t, err, kvnode.ErrDataDir)
}

func TestUnreachableJoinIsWarnedOfAndTheNodeServesAlone(t *testing.T) {
	cfg := local("a")
	cfg.Join = []string{"127.0.0.1:1"}
	cfg.ReadyWait = time.Second
	log, said := captureLog()
	cfg.Logger = log
	n := open(t, cfg)
	require.NoError(t, n.AwaitReady(patient(t)))
	require.Contains(t, said(), "none of the --join addresses answers")
	require.Contains(t, said(), "127.0.0.1:1")
}

func TestNodeOfAnotherClusterIsRefused(t *testing.T) {
	a := open(t, local("a"))
	cfg := local("b")
	cfg.Cluster, cfg.Join = "other", []string{a.RouteAddr()}
	_, err := kvnode.Open(patient(t), cfg)
	require.ErrorIs(t, err, bus.ErrClusterName)
	require.ErrorContains(t, err, "other")
}

func TestSecondLiveNodeOfANameEnds(t *testing.T) {
	a := open(t, local("a"))
	require.NoError(t, a.AwaitReady(patient(t)))
	cfg := local("a")
	cfg.Join = []string{a.RouteAddr()}
	twin, err := kvnode.Open(patient(t), cfg)
	require.NoError(t, err)
	require.ErrorIs(t, twin.Wait(), engine.ErrNameTaken)
	require.True(t, a.Ready())
}

func TestOneJoinAddressIsEnough(t *testing.T) {
	ctx := patient(t)
	l := lab(t, nil, "a", "b", "c")
	_, err := l.Node("c").CreateTable(ctx, "t", kvnode.TableOptions{})
	require.NoError(t, err)
	_, err = l.Node("b").Put(ctx, "t", []kvnode.KV{{Key: "k", Value: []byte(strings.Repeat("v", engine.MaxValueBytes))}})
	require.NoError(t, err)
	e, err := l.Node("a").Get(ctx, "t", "k")
	require.NoError(t, err)
	require.Len(t, e.Value, engine.MaxValueBytes)
}

func TestNodeFindsItsClusterAgainByItsDataDirectory(t *testing.T) {
	ctx := patient(t)
	a := open(t, local("a"))
	cfg := local("b")
	cfg.Join, cfg.DataDir = []string{a.RouteAddr()}, t.TempDir()
	b, err := kvnode.Open(ctx, cfg)
	require.NoError(t, err)
	_, err = a.CreateTable(ctx, "t", kvnode.TableOptions{})
	require.NoError(t, err)
	require.NoError(t, b.AwaitReady(ctx))
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(cfg.DataDir, "members.json"))
		return err == nil
	}, patience, 10*time.Millisecond)
	require.NoError(t, b.Close(ctx))

	cfg.Join = nil
	again := open(t, cfg)
	require.NoError(t, again.AwaitReady(ctx))
	_, err = again.Table(ctx, "t")
	require.NoError(t, err)
}

// trapOn makes a conflict on which the active handler traps, at the lab's table t.
func trapOn(t *testing.T, n *kvnode.Node) {
	t.Helper()
	ctx := patient(t)
	_, err := n.CreateTable(ctx, "t", kvnode.TableOptions{})
	require.NoError(t, err)
	_, err = n.InstallPlugin(ctx, "t", examples.Trap(), kvnode.Limits{})
	require.NoError(t, err)
	_, err = n.Put(ctx, "t", []kvnode.KV{{Key: "poison", Value: []byte("0")}})
	require.NoError(t, err)
	seen, err := n.Get(ctx, "t", "poison")
	require.NoError(t, err)
	for _, value := range []string{"1", "2"} {
		_, err = n.Put(ctx, "t", []kvnode.KV{{Key: "poison", Value: []byte(value)}}, engine.WithContext(seen.Context))
		require.NoError(t, err)
	}
}

func TestTrapRestartsTheNodeWithItsDataOnTheSamePort(t *testing.T) {
	ctx := patient(t)
	n := open(t, local("a"))
	http, route := n.HTTPAddr(), n.RouteAddr()
	trapOn(t, n)
	require.Eventually(t, func() bool {
		s, err := n.Status(ctx)
		return err == nil && s.Restarts == 1 && s.Ready
	}, patience, 10*time.Millisecond)
	require.Equal(t, http, n.HTTPAddr())
	require.Equal(t, route, n.RouteAddr())
	e, err := n.Get(ctx, "t", "poison")
	require.NoError(t, err)
	require.Equal(t, engine.Quarantined, e.State)
	require.Len(t, e.Siblings, 2)
}

func TestRestartListensWhereTheNodeListenedNotWhereOthersAreSent(t *testing.T) {
	ctx := patient(t)
	cfg := local("a")
	cfg.Advertise = "127.0.0.1:1"
	n := open(t, cfg)
	listens := n.ListenAddr()
	require.NotEqual(t, cfg.Advertise, listens)
	trapOn(t, n)
	require.Eventually(t, func() bool {
		s, err := n.Status(ctx)
		return err == nil && s.Restarts == 1 && s.Ready
	}, patience, 10*time.Millisecond)
	require.Equal(t, listens, n.ListenAddr())
	require.Equal(t, cfg.Advertise, n.RouteAddr())
}

func TestDialLeadsRoutesThroughAProxy(t *testing.T) {
	ctx := patient(t)
	links := bus.NewLinks()
	t.Cleanup(links.Close)
	cfg := local("a")
	cfg.Advertise = links.Addr("a")
	a := open(t, cfg)
	links.Attach("a", a.ListenAddr())
	via, err := links.Via("b", "a")
	require.NoError(t, err)
	cfg = local("b")
	cfg.Join, cfg.Dial = []string{links.Addr("a")}, map[string]string{links.Addr("a"): via}
	b := open(t, cfg)
	require.NoError(t, b.AwaitReady(ctx))
	_, err = b.CreateTable(ctx, "t", kvnode.TableOptions{})
	require.NoError(t, err)
	_, err = a.Table(ctx, "t")
	require.NoError(t, err)
}

func TestTrapEndsTheNodeOnceAPeerHasEverything(t *testing.T) {
	ctx := patient(t)
	l, err := kvnode.OpenLab(ctx, []string{"a", "b"}, func(c *kvnode.Config) { c.OnTrap = kvnode.OnTrapExit })
	require.NoError(t, err)
	trapOn(t, l.Node("a"))
	ended := make(chan error, 2)
	for _, name := range []string{"a", "b"} {
		go func() { ended <- l.Node(name).Wait() }()
	}
	require.ErrorIs(t, <-ended, kvnode.ErrExitOnTrap)
	survivor := l.Node("a")
	if !survivor.Ready() {
		survivor = l.Node("b")
	}
	e, err := survivor.Get(ctx, "t", "poison")
	require.NoError(t, err)
	require.Len(t, e.Siblings, 2)
	require.ErrorIs(t, l.Close(ctx), kvnode.ErrExitOnTrap)
	require.NoError(t, <-ended)
}

func TestExternalNATSCarriesACluster(t *testing.T) {
	ctx := patient(t)
	url := externalNATS(t)
	var nodes []*kvnode.Node
	for _, name := range []string{"a", "b"} {
		cfg := local(name)
		cfg.NATSURL = url
		nodes = append(nodes, open(t, cfg))
	}
	for _, n := range nodes {
		require.NoError(t, n.AwaitReady(ctx))
	}
	_, err := nodes[0].CreateTable(ctx, "t", kvnode.TableOptions{})
	require.NoError(t, err)
	_, err = nodes[1].Put(ctx, "t", []kvnode.KV{{Key: "k", Value: []byte("v")}})
	require.NoError(t, err)
	e, err := nodes[0].Get(ctx, "t", "k")
	require.NoError(t, err)
	require.Equal(t, "v", string(e.Value))
}

func TestReadinessIsVisibleOverHTTP(t *testing.T) {
	n := open(t, local("a"))
	require.NoError(t, n.AwaitReady(patient(t)))
	for _, path := range []string{"/healthz", "/readyz"} {
		req, err := http.NewRequestWithContext(patient(t), http.MethodGet, "http://"+n.HTTPAddr()+path, nil)
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestATableIsJudgedByTheBuiltinHandlerThatItNames(t *testing.T) {
	ctx := patient(t)
	n := open(t, local("a"))
	_, err := n.CreateTable(ctx, "scores", kvnode.TableOptions{Handler: "max"})
	require.NoError(t, err)
	_, err = n.Put(ctx, "scores", []kvnode.KV{{Key: "ada", Value: []byte("3")}})
	require.NoError(t, err)
	seen, err := n.Get(ctx, "scores", "ada")
	require.NoError(t, err)
	for _, score := range []string{"12", "7"} {
		_, err = n.Put(ctx, "scores", []kvnode.KV{{Key: "ada", Value: []byte(score)}}, kvnode.WithContext(seen.Context))
		require.NoError(t, err)
	}
	e, err := n.Get(ctx, "scores", "ada")
	require.NoError(t, err)
	require.Equal(t, "12", string(e.Value))
	require.Equal(t, engine.Resolved, e.State)
	installed, err := n.Plugins(ctx)
	require.NoError(t, err)
	require.NotNil(t, installed[0].Checked, "its check report comes along")
	require.Equal(t, installed[0].Checked.Needed, installed[0].Checked.NeededHeld)
	require.False(t, installed[0].Checked.OtherLimits)
}
