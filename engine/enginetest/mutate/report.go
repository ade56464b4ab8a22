package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// report prints what comes of the mutants, in the order of the tables, and counts them.
type report struct {
	out            io.Writer
	verbose        bool
	caught, missed int
}

// add prints the outcome of one mutant: a line for each of its tests.
func (r *report) add(o outcome) {
	name, took := o.mutant.name, o.took.Round(100*time.Millisecond).String()
	verdict := "caught"
	if o.caught {
		r.caught++
	} else {
		r.missed++
		verdict = "MISSED"
	}
	if o.err != nil {
		r.printf("%-7s %-58s %v\n", verdict, name, o.err)
		return
	}
	for _, f := range o.findings {
		r.printf("%-7s %-58s %-8s %-14s %s\n", verdict, name, took, f.how(), f.test)
		if r.verbose {
			r.printf("%s\n", f.said)
		}
		verdict, name, took = "", "", ""
	}
	if !o.caught {
		r.printf("        the rule was: %s\n", o.mutant.rule)
	}
}

// how says what it took to notice the mutant.
func (f finding) how() string {
	switch {
	case !f.noticed:
		return "NOT NOTICED BY"
	case strings.Contains(f.said, "panic: test timed out"):
		return "never ends"
	case f.history > 0:
		return "history " + strconv.Itoa(f.history)
	}
	return "at once"
}

// total prints the score and reports whether all mutants were caught.
func (r *report) total(took time.Duration) bool {
	r.printf("%d of %d mutants caught in %v\n", r.caught, r.caught+r.missed, took.Round(time.Second))
	return r.missed == 0
}

// printf prints; a report that cannot be printed has no reader.
func (r *report) printf(format string, args ...any) { _, _ = fmt.Fprintf(r.out, format, args...) }
