package bus_test

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/bus"
)

// memoryNodes returns nodes a, b and c of one network, which closes when the test ends.
func memoryNodes(t *testing.T, faults bus.Faults) (m *bus.Memory, a, b, c *node) {
	t.Helper()
	m = bus.NewMemory(bus.MemoryConfig{Rand: rand.New(rand.NewPCG(5, 6)), Faults: faults})
	t.Cleanup(m.Close)
	return m, record(t, "a", m.Node("a")), record(t, "b", m.Node("b")), record(t, "c", m.Node("c"))
}

func broadcast(t *testing.T, n *node, payload string) {
	t.Helper()
	require.NoError(t, n.Broadcast(bus.LaneControl, []byte(payload)))
}

// texts returns what n has received by now, when nothing happens any more without the clock.
func texts(n *node) []string {
	synctest.Wait()
	var texts []string
	for _, m := range n.messages() {
		texts = append(texts, m.payload)
	}
	return texts
}

func TestMemoryDelaysInFakeTimeAndKeepsOrder(t *testing.T) {
	faults := bus.Faults{Delay: time.Hour, Jitter: time.Minute}
	synctest.Test(t, func(t *testing.T) {
		_, a, b, _ := memoryNodes(t, faults)
		var want []string
		for i := range 50 {
			broadcast(t, a, strconv.Itoa(i))
			want = append(want, strconv.Itoa(i))
		}
		require.Empty(t, texts(b))
		<-time.After(time.Hour + time.Minute)
		require.Equal(t, want, texts(b))
	})
}

func TestMemoryCutSplitsIntoIslandsUntilHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a, b, c := memoryNodes(t, bus.Faults{})
		m.Cut([]string{"a"}, []string{"b", "c"})
		broadcast(t, a, "1")
		broadcast(t, b, "2")
		require.Empty(t, texts(a))
		require.Empty(t, texts(b))
		require.Equal(t, []string{"2"}, texts(c))
		m.Heal()
		broadcast(t, a, "3")
		require.Equal(t, []string{"3"}, texts(b))
		require.Equal(t, []string{"2", "3"}, texts(c))
	})
}

func TestMemoryCutLosesWhatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a, b, _ := memoryNodes(t, bus.Faults{Delay: time.Second})
		broadcast(t, a, "1")
		m.Cut([]string{"a"}, []string{"b"})
		<-time.After(2 * time.Second)
		require.Empty(t, texts(b))
	})
}

func TestMemoryCutLinkIsOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a, b, c := memoryNodes(t, bus.Faults{})
		m.CutLink("a", "b")
		broadcast(t, a, "1")
		broadcast(t, b, "2")
		require.Equal(t, []string{"2"}, texts(a))
		require.Empty(t, texts(b))
		require.Equal(t, []string{"1", "2"}, texts(c))
	})
}

func TestMemoryCutOutlastsAnIncarnation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := bus.NewMemory(bus.MemoryConfig{})
		a := record(t, "a1", m.NamedNode("a", "a1"))
		b := record(t, "b1", m.NamedNode("b", "b1"))
		m.Cut([]string{"a"}, []string{"b"})
		require.NoError(t, b.Close())
		next := record(t, "b2", m.NamedNode("b", "b2"))
		broadcast(t, a, "1")
		require.Empty(t, texts(next))
		m.Heal()
		broadcast(t, a, "2")
		require.Equal(t, []string{"2"}, texts(next))
	})
}

func TestMemoryDropsAndDuplicatesAtTheAskedRate(t *testing.T) {
	const count = 4000
	for name, rule := range map[string]struct {
		faults bus.Faults
		want   int
	}{
		"drop":      {faults: bus.Faults{Drop: 0.25}, want: count * 3 / 4},
		"duplicate": {faults: bus.Faults{Duplicate: 0.25}, want: count * 5 / 4},
		"drop all":  {faults: bus.Faults{Drop: 1}, want: 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, a, b, _ := memoryNodes(t, rule.faults)
				for range count {
					require.NoError(t, a.Send("b", bus.LaneControl, []byte("x")))
				}
				require.InDelta(t, rule.want, len(texts(b)), count/20)
			})
		})
	}
}

func TestMemoryReordersAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, _ := memoryNodes(t, bus.Faults{Reorder: 0.3})
		var inOrder []string
		for i := range 100 {
			broadcast(t, a, strconv.Itoa(i))
			inOrder = append(inOrder, strconv.Itoa(i))
		}
		<-time.After(time.Second)
		got := texts(b)
		require.ElementsMatch(t, inOrder, got)
		require.NotEqual(t, inOrder, got)
	})
}

func TestMemoryLargePayloadSurvivesReorderAndDuplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, _ := memoryNodes(t, bus.Faults{Reorder: 0.3, Duplicate: 0.1})
		payload := bytes.Repeat([]byte("0123456789abcdef"), 4*bus.FragmentSize/16)
		require.NoError(t, a.Broadcast(bus.LaneBulk, payload))
		<-time.After(time.Second)
		synctest.Wait()
		require.Contains(t, b.messages(), message{from: "a", lane: bus.LaneBulk, payload: string(payload)})
	})
}

func TestMemoryRepeatsASeed(t *testing.T) {
	run := func() (got []string) {
		synctest.Test(t, func(t *testing.T) {
			_, a, b, _ := memoryNodes(t, bus.Faults{Drop: 0.5, Reorder: 0.2, Delay: time.Millisecond})
			for i := range 100 {
				broadcast(t, a, strconv.Itoa(i))
			}
			<-time.After(time.Second)
			got = texts(b)
		})
		return got
	}
	first, second := run(), run()
	require.Equal(t, first, second)
}

func TestMemoryNetworksDoNotMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		red, blue := bus.NewMemory(bus.MemoryConfig{}), bus.NewMemory(bus.MemoryConfig{})
		a, b := record(t, "a", red.Node("a")), record(t, "b", blue.Node("b"))
		broadcast(t, a, "red")
		require.NoError(t, a.Send("b", bus.LaneControl, []byte("red")))
		require.Empty(t, texts(b))
	})
}

func TestMemoryNodeThatNeverListensHoldsABoundedNumberOfBytes(t *testing.T) {
	m := bus.NewMemory(bus.MemoryConfig{})
	t.Cleanup(m.Close)
	a, deaf := m.Node("a"), m.Node("deaf")
	payload := make([]byte, 32<<20)
	for range 9 {
		require.NoError(t, a.Send("deaf", bus.LaneBulk, payload))
	}
	require.NotZero(t, deaf.Stats().Total().Dropped)
}
