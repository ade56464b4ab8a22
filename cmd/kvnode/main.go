// Command kvnode runs and asks nodes of a distributed key-value store in which the user decides what a conflict means.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/kvnode/kvnode/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the work in order; the second one ends the process.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr))
}
