package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// errRed says that a test fails without any mutant, so that it proves nothing.
var errRed = errors.New("fails on the source as it is")

// hunt looks for every mutant with the tests that it names.
type hunt struct {
	lab     *lab
	workers int
	// all asks every test that a mutant names. Otherwise the first one that notices is enough, and stands first in the table because it is the
	// cheapest.
	all    bool
	report report
}

// outcome is what came of one mutant.
type outcome struct {
	mutant   mutant
	findings []finding
	caught   bool
	err      error
	took     time.Duration
}

// isCaught reports whether the mutant was noticed: by every test if all were asked, else by one.
func (h *hunt) isCaught(o outcome) bool {
	noticed := 0
	for _, f := range o.findings {
		if f.noticed {
			noticed++
		}
	}
	return o.err == nil && noticed > 0 && (!h.all || noticed == len(o.mutant.tests))
}

// run tries the tests on the source as it is, then on every mutant. The error is errRed, or says why the hunt could not go on.
func (h *hunt) run(ctx context.Context, mutants []mutant) error {
	if err := h.checkTests(ctx, mutants); err != nil {
		return err
	}
	results := make([]chan outcome, len(mutants))
	for i := range results {
		results[i] = make(chan outcome, 1)
	}
	var chasing sync.WaitGroup
	chasing.Go(func() {
		h.share(len(mutants), func(i int) { results[i] <- h.chase(ctx, mutants[i]) })
	})
	for _, r := range results {
		h.report.add(<-r)
	}
	chasing.Wait()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("hunt: %w", err)
	}
	return nil
}

// checkTests runs every test that some mutant names on the source as it is.
func (h *hunt) checkTests(ctx context.Context, mutants []mutant) error {
	v, err := h.lab.variant(nil)
	if err != nil {
		return err
	}
	defer v.close()
	tests := testsOf(mutants)
	for _, t := range tests {
		if _, err := v.whole(ctx, t.pkg); err != nil {
			return err
		}
	}
	red := make([]error, len(tests))
	h.share(len(tests), func(i int) { red[i] = checkTest(ctx, v, tests[i]) })
	return errors.Join(red...)
}

func checkTest(ctx context.Context, v *variant, t test) error {
	f, err := v.try(ctx, t)
	if err == nil && f.noticed {
		err = fmt.Errorf("%s %s %w:\n%s", t.pkg, t, errRed, f.said)
	}
	return err
}

// share does n things, as many at a time as there are workers.
func (h *hunt) share(n int, do func(i int)) {
	todo := make(chan int)
	var workers sync.WaitGroup
	for range max(h.workers, 1) {
		workers.Go(func() {
			for i := range todo {
				do(i)
			}
		})
	}
	for i := range n {
		todo <- i
	}
	close(todo)
	workers.Wait()
}

// testsOf lists the tests of all mutants once, each with the greatest number of histories.
func testsOf(mutants []mutant) []test {
	var out []test
	for _, m := range mutants {
		for _, t := range m.tests {
			i := slices.IndexFunc(out, func(u test) bool { return u.pkg == t.pkg && u.name == t.name })
			if i < 0 {
				out = append(out, t)
				continue
			}
			out[i].histories = max(out[i].histories, t.histories)
		}
	}
	return out
}

// chase tries all tests of one mutant.
func (h *hunt) chase(ctx context.Context, m mutant) outcome {
	began := time.Now()
	o := outcome{mutant: m}
	o.findings, o.err = h.findings(ctx, m)
	o.caught = h.isCaught(o)
	o.took = time.Since(began)
	return o
}

func (h *hunt) findings(ctx context.Context, m mutant) ([]finding, error) {
	files, err := m.mutate(h.lab.root)
	if err != nil {
		return nil, err
	}
	v, err := h.lab.variant(files)
	if err != nil {
		return nil, err
	}
	defer v.close()
	var out []finding
	for _, t := range m.tests {
		f, err := v.try(ctx, t)
		if err != nil {
			return out, err
		}
		out = append(out, f)
		if f.noticed && !h.all {
			break
		}
	}
	return out, nil
}
