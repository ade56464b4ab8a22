// Command mutate proves that the tests of the engine notice mistakes. Each mutant in testdata breaks one rule by a small change of the source. The
// command builds the tests with that change alone, through an overlay of the go command, so that the files stay as they are and the shipped program
// has no switch for it. The tests that a mutant names are tried in their order, the cheapest first, until one fails; with -all, every one of them has
// to fail, the simulations within the number of histories that the table gives.
//
// Usage, in the root of the module:
//
//	go run ./engine/enginetest/mutate [-run REGEXP] [-all] [-workers N] [-v]
//
// The exit code is 0 when all mutants are caught. It is 1 when a mutant survives, does not compile or does not fit the source any more, and when a
// test fails on the source as it is.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"time"
)

// tables is where the mutants are written down.
const tables = "engine/enginetest/mutate/testdata"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with its surroundings as arguments. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("run", "", "only the mutants whose names match this regular expression")
	everyTest := flags.Bool("all", false, "ask every test of a mutant, not only until one notices")
	workers := flags.Int("workers", runtime.NumCPU(), "mutants at a time")
	verbose := flags.Bool("v", false, "show what the tests of each mutant say")
	if err := flags.Parse(args); err != nil {
		return 1
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		return fail(stderr, err)
	}
	all, err := readTables(tables)
	if err != nil {
		return fail(stderr, err)
	}
	began := time.Now()
	l, err := newLab(".")
	if err != nil {
		return fail(stderr, err)
	}
	defer l.close()
	h := hunt{lab: l, workers: max(*workers, 1), all: *everyTest, report: report{out: stdout, verbose: *verbose}}
	if err := h.run(ctx, chosen(all, match)); err != nil {
		return fail(stderr, err)
	}
	if !h.report.total(time.Since(began)) {
		return 1
	}
	return 0
}

func chosen(all []mutant, match *regexp.Regexp) []mutant {
	var out []mutant
	for _, m := range all {
		if match.MatchString(m.name) {
			out = append(out, m)
		}
	}
	return out
}

func fail(stderr io.Writer, err error) int {
	_, _ = fmt.Fprintln(stderr, "mutate:", err)
	return 1
}
