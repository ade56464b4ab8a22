// The command abitest drives the probe in a WebAssembly file and prints what holds. See plugins/abitest/README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/kvnode/kvnode/plugins/abitest"
)

// The exit codes.
const (
	exitOK = iota
	exitFailed
	exitUsage
)

// errUsage refuses other arguments than one file.
var errUsage = errors.New("usage: abitest PROBE.wasm, the probe of plugins/abitest/README.md, built with the SDK to be tested")

func main() {
	code, err := run(context.Background(), os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "abitest:", err)
	}
	os.Exit(code)
}

// run is main with what it touches as arguments. It returns the exit code.
func run(ctx context.Context, args []string, out io.Writer) (int, error) {
	if len(args) != 1 {
		return exitUsage, errUsage
	}
	module, err := os.ReadFile(args[0])
	if err != nil {
		return exitUsage, fmt.Errorf("read the probe: %w", err)
	}
	report, err := abitest.Run(ctx, module)
	if err != nil {
		return exitFailed, err
	}
	if _, err = io.WriteString(out, report.String()); err != nil || len(report.Failed()) > 0 {
		return exitFailed, err
	}
	return exitOK, nil
}
