package plugins_test

import (
	"bytes"
	"context"
	"flag"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/plugins/plugintest/hostile"
)

// The numbers of mutants, of all small modules together and of all large ones.
//
//nolint:gochecknoglobals // flags
var (
	mutants      = flag.Int("mutants", 10_000, "damaged copies of modules of up to 32 KiB")
	largeMutants = flag.Int("large-mutants", 24, "damaged copies of modules above 32 KiB")
)

// peakBytes is what loading one hostile module and running it may add to the memory of the process.
const peakBytes = 384 << 20

// What may be left of all of them: in the heap, in the memory of the process, and of its address space beside what the Go runtime has. A memory of
// one instance reserves 16 MiB of that, and there are more than a hundred instances.
const (
	leftBytes     = 16 << 20
	leftResident  = 64 << 20
	leftAddresses = 128 << 20
)

func TestHostileModulesAreRefusedOrSurvivedInBoundedMemory(t *testing.T) {
	h := newHost(t, plugins.Config{})
	before := whatIsHeld(t)
	for _, m := range hostile.Modules() {
		t.Run(m.Name, func(t *testing.T) {
			resetPeak(t)
			from, began := status(t, "VmHWM"), time.Now()
			got := befalls(t, h, m.Code)
			grown := status(t, "VmHWM") - from
			t.Logf("%s: %d bytes, at most %d MiB more, %v", got, len(m.Code), grown>>20, time.Since(began).Round(time.Millisecond))
			require.Equal(t, m.Want, got)
			require.Less(t, grown, peakBytes)
		})
	}
	after := whatIsHeld(t)
	t.Logf("left: %d KiB in the heap, %d KiB resident, %d KiB of addresses",
		(after.heap-before.heap)>>10, (after.resident-before.resident)>>10, (after.addresses-before.addresses)>>10)
	require.Less(t, after.heap-before.heap, leftBytes)
	require.Less(t, after.resident-before.resident, leftResident)
	require.Less(t, after.addresses-before.addresses, leftAddresses)
}

// footprint is what the process has, in bytes: reachable in the heap, in memory, and of addresses beside those of the Go runtime. Where the kernel does
// not say, the latter two are always the same.
type footprint struct{ heap, resident, addresses int }

func whatIsHeld(t *testing.T) footprint {
	t.Helper()
	runtime.GC()         // runs finalizers, which unmap code
	debug.FreeOSMemory() // collects again
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{heap: int(m.HeapAlloc), resident: status(t, "VmRSS"), addresses: status(t, "VmSize") - int(m.Sys)}
}

// befalls loads a module under the default limits and lets it judge a few times, the same each time.
func befalls(t *testing.T, h *plugins.Host, module []byte) hostile.Fate {
	t.Helper()
	m, err := h.Load(t.Context(), module, plugins.Limits{})
	if err != nil {
		require.ErrorIs(t, err, plugins.ErrModule)
		require.NotErrorIs(t, err, plugins.ErrHost)
		return hostile.Refused
	}
	defer func() { require.NoError(t, m.Close(context.WithoutCancel(t.Context()))) }()
	in := conflict("key", "a", "b")
	v, err := m.Resolve(t.Context(), in)
	for range 2 {
		again, againErr := m.Resolve(t.Context(), in)
		require.Equal(t, v, again)
		require.Equal(t, err, againErr)
	}
	if err == nil {
		return hostile.Judged
	}
	var trap *plugins.Trap
	require.ErrorAs(t, err, &trap)
	return hostile.Trapped
}

// resetPeak makes the peak of resident memory what is resident now, where the kernel can.
func resetPeak(t *testing.T) {
	t.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Logf("peaks of memory are not measured: %v", err)
	}
}

// status is what the kernel says of the process's memory, in bytes, and 0 where it says nothing.
func status(t *testing.T, field string) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text, []byte(field+":"))
	fields := bytes.Fields(rest)
	require.NotEmpty(t, fields)
	n, err := strconv.Atoi(string(fields[0]))
	require.NoError(t, err)
	return n << 10
}

func TestAPanicOverAModuleIsAnErrorAboutIt(t *testing.T) {
	err := plugins.Guard(func() error { panic("index out of range") })
	require.ErrorIs(t, err, plugins.ErrModule)
	require.ErrorContains(t, err, "the test gives up: index out of range")
	require.NoError(t, plugins.Guard(func() error { return nil }))
}

func TestEveryImportIsCalledWithPointersThatLeadNowhere(t *testing.T) {
	h := newHost(t, plugins.Config{})
	importers := hostile.Importers(plugins.Imports())
	require.Greater(t, len(importers), 30)
	for name, module := range importers {
		require.NotEqual(t, hostile.Refused, befalls(t, h, module), name)
	}
}

func TestDamagedCopiesOfModulesAreRefusedOrSurvived(t *testing.T) {
	h := newHost(t, plugins.Config{})
	modules := committed(t, func(n int) bool { return n <= small })
	fates, seed := map[fate]int{}, uint64(0)
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		seed++
		for m := range hostile.Mutants(modules[path], seed, *mutants/len(modules)+1) {
			fates[survives(t, h, m)]++
		}
	}
	t.Logf("of %d modules: refused %d, judged %d, trapped %d", len(modules), fates[refused], fates[judged], fates[trapped])
	require.GreaterOrEqual(t, fates[refused]+fates[judged]+fates[trapped], *mutants)
	require.Greater(t, fates[judged], *mutants/50)
	require.Greater(t, fates[trapped], *mutants/250)
}

func TestDamagedCopiesOfLargeModulesAreRefusedOrSurvived(t *testing.T) {
	h := newHost(t, plugins.Config{})
	modules := committed(t, func(n int) bool { return n > small })
	modules["go cart"] = examples.Cart()
	fates, seed := map[hostile.Fate]int{}, uint64(0)
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		seed++
		for m := range hostile.Mutants(modules[name], seed, *largeMutants/len(modules)+1) {
			fates[befalls(t, h, m)]++
		}
	}
	t.Logf("of %d modules: %v", len(modules), fates)
	require.Greater(t, len(modules), 2)
	require.Positive(t, fates[hostile.Refused])
	require.Positive(t, fates[hostile.Judged])
}
