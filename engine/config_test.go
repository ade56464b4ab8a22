package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine"
	"github.com/kvnode/kvnode/engine/enginetest"
)

func TestBadConfigIsRefusedAndTheFieldNamed(t *testing.T) {
	good := engine.DefaultConfig()
	good.Name, good.Actor = "a", clock.ActorFrom([16]byte{1})
	require.NoError(t, good.Validate())
	for field, spoil := range map[string]func(*engine.Config){
		"Name is empty": func(c *engine.Config) { c.Name = "" },
		"Name \"a b\"":  func(c *engine.Config) { c.Name = "a b" },
		"Name \"aaaa":   func(c *engine.Config) { c.Name = strings.Repeat("a", 129) },
		"Cluster":       func(c *engine.Config) { c.Cluster = "\xc3" },
		"HTTP":          func(c *engine.Config) { c.HTTP = "\xa9" },
		"Route":         func(c *engine.Config) { c.Route = "\xff:6222" },
		"Actor":         func(c *engine.Config) { c.Actor = clock.Actor{} },
		"HelloInterval": func(c *engine.Config) { c.HelloInterval = -time.Second },
		"SuspectAfter":  func(c *engine.Config) { c.SuspectAfter = c.HelloInterval },
		"OnTrap":        func(c *engine.Config) { c.OnTrap = "ignore" },
	} {
		bad := good
		spoil(&bad)
		require.ErrorContains(t, bad.Validate(), field)
		_, err := engine.NewDriver(bad, enginetest.Handlers{})
		require.ErrorContains(t, err, field)
	}
}
