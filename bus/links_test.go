package bus_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/bus"
)

// linked opens embedded nodes whose names are their IDs behind links. Each joins the one before it, in a chain.
func linked(t *testing.T, ids ...string) (*bus.Links, map[string]*node) {
	t.Helper()
	links := bus.NewLinks()
	t.Cleanup(links.Close)
	nodes := make(map[string]*node)
	var join []string
	for _, id := range ids {
		cfg := links.Wrap(id, bus.Config{ID: id, Route: "127.0.0.1:0", Join: join})
		nodes[id] = record(t, id, newNATS(t, cfg))
		require.NoError(t, nodes[id].Joined(soon(t, patience)))
		join = []string{links.Addr(id)}
	}
	return links, nodes
}

// know gives every node the addresses of all.
func know(t *testing.T, nodes map[string]*node) {
	t.Helper()
	var addrs []string
	for _, n := range nodes {
		addrs = append(addrs, n.RouteAddr())
	}
	for _, n := range nodes {
		require.NoError(t, n.SetRoutes(addrs))
	}
}

func TestGossipDoesNotGoRoundTheLinks(t *testing.T) {
	_, nodes := linked(t, "a", "b", "c")
	meet(t, nodes["a"], nodes["b"])
	meet(t, nodes["b"], nodes["c"])
	require.False(t, nodes["a"].hears(nodes["c"]), "a and c know each other by gossip alone")
	know(t, nodes)
	meet(t, nodes["a"], nodes["b"], nodes["c"])
}

func TestIslandsGoOnAndMeetAgainAfterACut(t *testing.T) {
	links, nodes := linked(t, "a", "b", "c")
	a, b, c := nodes["a"], nodes["b"], nodes["c"]
	know(t, nodes)
	meet(t, a, b, c)

	links.Cut([]string{"a"}, []string{"b", "c"})
	require.NoError(t, a.Broadcast(bus.LaneControl, []byte("from the small island")))
	meet(t, b, c)
	require.NoError(t, b.Broadcast(bus.LaneControl, []byte("from the great island")))
	c.awaitMessage(t, message{from: "b", payload: "from the great island"})
	require.Empty(t, a.messages())
	require.NotContains(t, b.messages(), message{from: "a", payload: "from the small island"})

	links.Heal()
	meet(t, a, b, c)
}

func TestOneWayCutLetsTheOtherDirectionPass(t *testing.T) {
	links, nodes := linked(t, "a", "b")
	a, b := nodes["a"], nodes["b"]
	meet(t, a, b)

	links.CutOneWay("a", "b")
	require.NoError(t, a.Broadcast(bus.LaneControl, []byte("held back")))
	require.NoError(t, b.Broadcast(bus.LaneControl, []byte("passes")))
	a.awaitMessage(t, message{from: "b", payload: "passes"})
	require.Empty(t, b.messages())

	links.Heal()
	meet(t, a, b)
}

func TestNodeOfAnotherProcessIsReachedByItsAddressOfTheProxy(t *testing.T) {
	links := bus.NewLinks()
	t.Cleanup(links.Close)
	a := record(t, "a", newNATS(t, bus.Config{ID: "a", Advertise: links.Addr("a"), Route: "127.0.0.1:0"}))
	links.Attach("a", a.peer.(*bus.NATS).ListenAddr())
	via, err := links.Via("b", "a")
	require.NoError(t, err)
	b := record(t, "b", newNATS(t, bus.Config{ID: "b", Advertise: links.Addr("b"), Route: "127.0.0.1:0", Join: []string{via}}))
	meet(t, a, b)

	links.Cut([]string{"a"}, []string{"b"})
	require.NoError(t, a.Broadcast(bus.LaneControl, []byte("held back")))
	require.Empty(t, b.messages())
	links.Heal()
	b.awaitMessage(t, message{from: "a", payload: "held back"})

	links.Close()
	_, err = links.Via("b", "a")
	require.ErrorIs(t, err, bus.ErrClosed)
}

func TestLongCutIsNoticedAndHealsWithinSeconds(t *testing.T) {
	lost, losses := signal()
	links := bus.NewLinks()
	t.Cleanup(links.Close)
	cfg := bus.Config{ID: "a", Route: "127.0.0.1:0", StaleAfter: bus.DefaultStaleAfter, OnLoss: lost}
	a := record(t, "a", newNATS(t, links.Wrap("a", cfg)))
	cfg = bus.Config{ID: "b", Route: "127.0.0.1:0", StaleAfter: bus.DefaultStaleAfter, Join: []string{links.Addr("a")}}
	b := record(t, "b", newNATS(t, links.Wrap("b", cfg)))
	meet(t, a, b)
	awaitSignal(t, losses, "OnLoss when the route comes up")

	links.Cut([]string{"a"}, []string{"b"})
	awaitSignal(t, losses, "OnLoss when the pings stay away")
	links.Heal()
	healed := time.Now()
	meet(t, a, b)
	require.Less(t, time.Since(healed), patience/2)
}

func TestNodesThatJoinedThroughADeadOneMeetAgain(t *testing.T) {
	links, nodes := linked(t, "seed")
	for _, id := range []string{"a", "b"} {
		cfg := links.Wrap(id, bus.Config{ID: id, Route: "127.0.0.1:0", Join: []string{links.Addr("seed")}})
		nodes[id] = record(t, id, newNATS(t, cfg))
		require.NoError(t, nodes[id].Joined(soon(t, patience)))
	}
	know(t, nodes)
	meet(t, nodes["seed"], nodes["a"], nodes["b"])
	require.NoError(t, nodes["seed"].Close())
	meet(t, nodes["a"], nodes["b"])

	links.Cut([]string{"a"}, []string{"b"})
	links.Reset([]string{"a"}, []string{"b"})
	require.NoError(t, nodes["b"].Broadcast(bus.LaneControl, []byte("lost")))
	links.Heal()
	meet(t, nodes["a"], nodes["b"])
	require.Empty(t, nodes["a"].messages())
}

func TestResetIsRepaired(t *testing.T) {
	links, nodes := linked(t, "a", "b")
	meet(t, nodes["a"], nodes["b"])
	for range 2 {
		links.Reset([]string{"a"}, []string{"b"})
		meet(t, nodes["a"], nodes["b"])
	}
}

func TestNextIncarnationTakesThePlaceBehindTheLinks(t *testing.T) {
	links, nodes := linked(t, "a", "b")
	meet(t, nodes["a"], nodes["b"])
	require.NoError(t, nodes["a"].Close())
	next := record(t, "a2", newNATS(t, links.Wrap("a", bus.Config{ID: "a2", Route: "127.0.0.1:0"})))
	meet(t, next, nodes["b"])
}

func TestSetRoutesDropsWhatIsLeftOutAndKeepsJoin(t *testing.T) {
	a := record(t, "a", newNATS(t, bus.Config{ID: "a"}))
	b := record(t, "b", newNATS(t, bus.Config{ID: "b"}))
	c := record(t, "c", newNATS(t, bus.Config{ID: "c", Join: []string{a.RouteAddr()}}))
	require.NoError(t, c.SetRoutes([]string{b.RouteAddr(), c.RouteAddr()}))
	meet(t, a, b, c)
	require.NoError(t, c.SetRoutes(nil))
	meet(t, a, c)
	require.ErrorIs(t, c.SetRoutes([]string{"nowhere"}), bus.ErrConfig)
	require.NoError(t, c.Close())
	require.ErrorIs(t, c.SetRoutes([]string{b.RouteAddr()}), bus.ErrClosed)
}

func TestSetRoutesKeepsOpenRoutes(t *testing.T) {
	const count, every = 2000, 200
	a := record(t, "a", newNATS(t, bus.Config{ID: "a"}))
	b := record(t, "b", newNATS(t, bus.Config{ID: "b", Join: []string{a.RouteAddr()}}))
	meet(t, a, b)
	addrs := []string{b.RouteAddr(), freeAddr(t)}
	for i := range count {
		if i%every == 0 {
			require.NoError(t, a.SetRoutes(addrs[:1+i/every%2]))
		}
		require.NoError(t, b.Broadcast(bus.LaneControl, []byte("x")))
	}
	require.Len(t, a.awaitCount(t, count), count)
}
