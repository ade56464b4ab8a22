package bus_test

import (
	"context"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/bus"
)

// listenTCP takes a free port of loopback, on which nobody answers.
func listenTCP(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// freeAddr returns an address of loopback at which nothing listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	l := listenTCP(t)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func soon(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// signal returns a callback and a channel that has an element after it was called.
func signal() (func(), <-chan struct{}) {
	c := make(chan struct{}, 1)
	return func() {
		select {
		case c <- struct{}{}:
		default:
		}
	}, c
}

func awaitSignal(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		require.FailNow(t, "waited in vain", what)
	}
}

func TestOpenNamesTheFieldThatIsWrong(t *testing.T) {
	for field, cfg := range map[string]bus.Config{
		"ID":         {},
		"Cluster":    {ID: "a", Cluster: "two words"},
		"Route":      {ID: "a", Route: "6222"},
		"Advertise":  {ID: "a", Advertise: "host:0"},
		"ClientAddr": {ID: "a", ClientAddr: "host:port"},
		"StaleAfter": {ID: "a", StaleAfter: -1},
		"Join":       {ID: "a", Join: []string{"127.0.0.1:6222", "127.0.0.1"}},
	} {
		_, err := bus.Open(t.Context(), cfg)
		require.ErrorIs(t, err, bus.ErrConfig, field)
		require.ErrorContains(t, err, field)
	}
	cfg := bus.DefaultConfig()
	cfg.ID = "a"
	require.NoError(t, cfg.Validate())
}

func TestOpenSaysThatAddressIsInUse(t *testing.T) {
	taken := listenTCP(t).Addr().String()
	_, err := bus.Open(t.Context(), bus.Config{ID: "a", Route: taken})
	require.ErrorIs(t, err, bus.ErrAddrInUse)
	require.EqualError(t, err, "listen on "+taken+": address already in use; choose another address, or stop what uses it")
	_, err = bus.Open(t.Context(), bus.Config{ID: "a", Route: "127.0.0.1:0", ClientAddr: taken})
	require.ErrorIs(t, err, bus.ErrAddrInUse)
	require.ErrorContains(t, err, taken)
}

func TestOpenSaysThatItCannotListen(t *testing.T) {
	_, err := bus.Open(t.Context(), bus.Config{ID: "a", Route: "192.0.2.1:6222"})
	require.ErrorIs(t, err, bus.ErrListen)
	require.ErrorContains(t, err, "192.0.2.1:6222")
}

func TestOpenSaysThatExternalNATSIsUnreachable(t *testing.T) {
	_, err := bus.Open(t.Context(), bus.Config{ID: "a", URL: "nats://me:secret@" + freeAddr(t)})
	require.ErrorIs(t, err, bus.ErrUnreachable)
	require.NotContains(t, err.Error(), "secret")
}

func TestPortIsFreeAgainAfterClose(t *testing.T) {
	addr := freeAddr(t)
	for i := range 3 {
		n := newNATS(t, bus.Config{ID: "a" + strconv.Itoa(i), Route: addr})
		require.Equal(t, addr, n.RouteAddr())
		require.NoError(t, n.Close())
	}
}

func TestJoinedReturnsAtOnceWithNobodyToJoin(t *testing.T) {
	alone := record(t, "a", newNATS(t, bus.Config{ID: "a"}))
	require.NoError(t, alone.Joined(t.Context()))
	addr := freeAddr(t)
	self := record(t, "b", newNATS(t, bus.Config{ID: "b", Route: addr, Join: []string{addr}}))
	require.NoError(t, self.Joined(t.Context()))
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	require.NoError(t, self.Close())
	again := record(t, "c", newNATS(t, bus.Config{ID: "c", Route: addr, Join: []string{"localhost:" + port}}))
	require.NoError(t, again.Joined(t.Context()))
}

func TestJoinedSaysWhoDidNotAnswerAndWhy(t *testing.T) {
	refuses, silent := freeAddr(t), listenTCP(t).Addr().String()
	n := record(t, "a", newNATS(t, bus.Config{ID: "a", Join: []string{refuses, silent}}))
	err := n.Joined(soon(t, 2500*time.Millisecond))
	require.ErrorIs(t, err, bus.ErrNotJoined)
	require.ErrorIs(t, err, bus.ErrUnreachable)
	require.ErrorContains(t, err, refuses+": unreachable: connection refused")
	require.ErrorContains(t, err, silent+": unreachable: no answer within")
}

func TestJoinedSaysThatSomethingElseAnswers(t *testing.T) {
	l := listenTCP(t)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("220 mail.example.org ESMTP\r\n"))
			_ = conn.Close()
		}
	}()
	n := record(t, "a", newNATS(t, bus.Config{ID: "a", Join: []string{l.Addr().String()}}))
	require.ErrorIs(t, n.Joined(soon(t, 1500*time.Millisecond)), bus.ErrNotNode)
}

func TestJoinedWaitsForANodeThatStartsLater(t *testing.T) {
	addr := freeAddr(t)
	early := record(t, "a", newNATS(t, bus.Config{ID: "a", Join: []string{addr}}))
	joined := make(chan error, 1)
	go func() { joined <- early.Joined(soon(t, patience)) }()
	late := record(t, "b", newNATS(t, bus.Config{ID: "b", Route: addr}))
	require.NoError(t, <-joined)
	meet(t, early, late)
}

func TestAnotherClusterIsRefusedAndBothAreTold(t *testing.T) {
	told := make(chan error, 16)
	red := record(t, "a", newNATS(t, bus.Config{ID: "a", Cluster: "red", OnError: func(err error) { told <- err }}))
	toldBlue := make(chan error, 16)
	blue := record(t, "b", newNATS(t, bus.Config{
		ID: "b", Cluster: "blue", Join: []string{red.RouteAddr()}, OnError: func(err error) { toldBlue <- err },
	}))
	started := time.Now()
	err := blue.Joined(soon(t, patience))
	require.Less(t, time.Since(started), patience/2, "it must not wait for what cannot come")
	for _, err := range []error{err, <-told, <-toldBlue} {
		require.ErrorIs(t, err, bus.ErrClusterName)
		require.ErrorContains(t, err, `"red"`)
		require.ErrorContains(t, err, `"blue"`)
	}
}

func TestAnotherClusterIsToldAtRunTime(t *testing.T) {
	told := make(chan error, 16)
	red := record(t, "a", newNATS(t, bus.Config{ID: "a", Cluster: "red"}))
	blue := record(t, "b", newNATS(t, bus.Config{ID: "b", Cluster: "blue", OnError: func(err error) { told <- err }}))
	require.NoError(t, blue.SetRoutes([]string{red.RouteAddr()}))
	require.ErrorIs(t, <-told, bus.ErrClusterName)
}

func TestClustersDoNotMixInOneExternalNATS(t *testing.T) {
	url := newServer(t, -1).ClientURL()
	open := func(id, cluster string) *node {
		return record(t, id, newNATS(t, bus.Config{ID: id, Cluster: cluster, URL: url}))
	}
	red1, red2, blue1, blue2 := open("a", "x.red"), open("b", "x.red"), open("a", "x*>"), open("b", "x*>")
	meet(t, red1, red2)
	meet(t, blue1, blue2)
	require.NoError(t, red1.Broadcast(bus.LaneControl, []byte("red")))
	require.NoError(t, blue1.Broadcast(bus.LaneControl, []byte("blue")))
	red2.awaitMessage(t, message{from: "a", payload: "red"})
	blue2.awaitMessage(t, message{from: "a", payload: "blue"})
	require.Len(t, red2.messages(), 1)
	require.Len(t, blue2.messages(), 1)
}

func TestRoutePassword(t *testing.T) {
	seed := record(t, "a", newNATS(t, bus.Config{ID: "a", Password: "s3cret"}))
	friend := record(t, "b", newNATS(t, bus.Config{ID: "b", Password: "s3cret", Join: []string{seed.RouteAddr()}}))
	require.NoError(t, friend.Joined(soon(t, patience)))
	meet(t, seed, friend)
	third := record(t, "c", newNATS(t, bus.Config{ID: "c", Password: "s3cret"}))
	require.NoError(t, third.SetRoutes([]string{friend.RouteAddr()}))
	meet(t, seed, friend, third)
	told := make(chan error, 16)
	stranger := record(t, "d", newNATS(t, bus.Config{
		ID: "d", Password: "guess", Join: []string{seed.RouteAddr()}, OnError: func(err error) { told <- err },
	}))
	require.ErrorIs(t, <-told, bus.ErrPassword)
	require.ErrorIs(t, stranger.Joined(soon(t, 1500*time.Millisecond)), bus.ErrPassword)
}

func TestClientsAreApartFromTheNodes(t *testing.T) {
	addr := freeAddr(t)
	open := record(t, "a", newNATS(t, bus.Config{ID: "a", ClientAddr: addr}))
	client, err := nats.Connect("nats://" + addr)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	var seen atomic.Int64
	_, err = client.Subscribe(">", func(*nats.Msg) { seen.Add(1) })
	require.NoError(t, err)
	require.NoError(t, client.Flush())
	other := record(t, "b", newNATS(t, bus.Config{ID: "b", Join: []string{open.RouteAddr()}}))
	meet(t, open, other)
	require.NoError(t, client.Flush())
	require.Zero(t, seen.Load())
}

func TestExternalNATSThatComesBackIsUsedAgain(t *testing.T) {
	lost, losses := signal()
	server := newServer(t, -1)
	url, port := server.ClientURL(), server.Addr().(*net.TCPAddr).Port
	a := record(t, "a", newNATS(t, bus.Config{ID: "a", URL: url, OnLoss: lost}))
	b := record(t, "b", newNATS(t, bus.Config{ID: "b", URL: url}))
	meet(t, a, b)
	server.Shutdown()
	server.WaitForShutdown()
	awaitSignal(t, losses, "OnLoss when the connection goes")
	require.Eventually(t, func() bool { return a.Broadcast(bus.LaneControl, []byte("lost")) != nil }, patience, time.Millisecond)
	require.ErrorIs(t, a.Broadcast(bus.LaneControl, []byte("lost")), bus.ErrUnreachable)
	newServer(t, port)
	awaitSignal(t, losses, "OnLoss when the connection is back")
	require.Eventually(t, func() bool { return a.Broadcast(bus.LaneControl, []byte(hello)) == nil }, patience, 10*time.Millisecond)
	require.Eventually(t, func() bool { return b.Broadcast(bus.LaneBulk, []byte(hello)) == nil }, patience, 10*time.Millisecond)
	require.Eventually(t, func() bool { return b.Broadcast(bus.LaneControl, []byte(hello)) == nil }, patience, 10*time.Millisecond)
	require.Eventually(t, func() bool { return a.Broadcast(bus.LaneBulk, []byte(hello)) == nil }, patience, 10*time.Millisecond)
	meet(t, a, b)
}

func TestLossIsToldWhenAPeerGoesAndComes(t *testing.T) {
	lost, losses := signal()
	a := record(t, "a", newNATS(t, bus.Config{ID: "a", OnLoss: lost}))
	b := record(t, "b", newNATS(t, bus.Config{ID: "b", Join: []string{a.RouteAddr()}}))
	awaitSignal(t, losses, "OnLoss when a route comes up")
	meet(t, a, b)
	require.NoError(t, b.Close())
	awaitSignal(t, losses, "OnLoss when a route goes")
}

func TestForeignFramesAreDroppedAndCounted(t *testing.T) {
	url := newServer(t, -1).ClientURL()
	a := record(t, "a", newNATS(t, bus.Config{ID: "a", URL: url}))
	b := record(t, "b", newNATS(t, bus.Config{ID: "b", URL: url}))
	meet(t, a, b)
	stranger, err := nats.Connect(url)
	require.NoError(t, err)
	t.Cleanup(stranger.Close)
	for _, raw := range []string{"", "x", "\x01", "\x02\x00\x01zhi", "\x01\x07\x01zhi", "\x01\x00\x00hi", "\x01\x01\x01zshort"} {
		require.NoError(t, stranger.Publish("kvnode.kvnode.0.all", []byte(raw)))
	}
	require.NoError(t, stranger.Publish("kvnode.kvnode.0.all", []byte("\x01\x00\x01zhi")))
	a.awaitMessage(t, message{from: "z", payload: "hi"})
	require.Equal(t, uint64(7), a.Stats().Total().Dropped)
}
