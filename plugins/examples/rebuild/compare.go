package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/fixture"
)

// errDiffers says that two modules decide one conflict differently.
var errDiffers = errors.New("the rebuilt module decides otherwise")

// compare returns errDiffers with the first conflict on which the two decide differently.
func compare(ctx context.Context, committed, rebuilt fixture.Resolver, conflicts []plugins.Input) error {
	for i, in := range conflicts {
		want, err := resolve(ctx, committed, in)
		if err != nil {
			return err
		}
		got, err := resolve(ctx, rebuilt, in)
		if err != nil {
			return err
		}
		if want.same(got) {
			continue
		}
		var text strings.Builder
		if err := fixture.Write(&text, []fixture.Case{fixture.New(fmt.Sprintf("conflict %d", i), in)}); err != nil {
			return err
		}
		return fmt.Errorf("%w: committed %s, rebuilt %s, on\n%s", errDiffers, want, got, text.String())
	}
	return nil
}

// outcome is a verdict or the reason of a trap.
type outcome struct {
	verdict plugins.Verdict
	trap    string
}

// resolve returns what becomes of a call; its error says nothing about the module.
func resolve(ctx context.Context, m fixture.Resolver, in plugins.Input) (outcome, error) {
	v, err := m.Resolve(ctx, in)
	if trap, ok := errors.AsType[*plugins.Trap](err); ok {
		return outcome{trap: trap.Reason}, nil
	}
	return outcome{verdict: v}, err
}

// same says that readers see the same. The texts of errors and the reasons of traps may come from a compiler's library.
func (o outcome) same(p outcome) bool {
	v, w := o.verdict, p.verdict
	return (o.trap == "") == (p.trap == "") && v.Kind == w.Kind && v.Index == w.Index && bytes.Equal(v.Value, w.Value)
}

func (o outcome) String() string {
	if o.trap != "" {
		return "trap: " + o.trap
	}
	return fixture.Describe(o.verdict)
}
