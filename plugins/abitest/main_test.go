package abitest_test

import (
	"os"
	"testing"

	"github.com/kvnode/kvnode/plugins/plugintest"
)

// cacheDir is shared by the tests of this process.
//
//nolint:gochecknoglobals // set by TestMain
var cacheDir string

func TestMain(m *testing.M) { os.Exit(plugintest.RunWithCache(m, &cacheDir)) }
