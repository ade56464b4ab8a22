package cli

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/rest"
)

func (sh *shell) conflictSettle(c *cli.Context) error {
	args, err := operands(c, "TABLE [KEY]")
	if err != nil {
		return err
	}
	var keys []string
	if c.NArg() > 1 {
		keys = args[1:]
	}
	if c.Bool("all") == (len(keys) > 0) {
		return usagef("give either a key or --all")
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		s, err := client.Settle(ctx, args[0], keys...)
		if err != nil {
			return onOneThere("settle conflicts of "+quoted(args[0]), err)
		}
		if err := sh.show(c, s, func(w *grid) { fillSettlement(w, s) }); err != nil {
			return err
		}
		if len(keys) > 0 && s.Settled == 0 {
			return unsettled(args[0], args[1], s)
		}
		sh.sayLeft(args[0], s)
		return nil
	})
}

// left are conflicts that were not settled, and why.
type left struct {
	what string
	n    int
	why  string
}

// undecided are the conflicts that were left alone because nobody has decided.
func undecided(s kvnode.Settlement) []left {
	return []left{
		{"kept", s.Kept, "the handler, or the table's policy, keeps all versions"},
		{"failed", s.Failed, "the handler answered with an error"},
		{"quarantined", s.Quarantined, "the handler trapped"},
		{"disabled", s.Disabled, "the handler is disabled"},
		{"unavailable", s.Unavailable, "the handler could not run here"},
	}
}

func fillSettlement(w *grid, s kvnode.Settlement) {
	w.row("settled", s.Settled)
	for _, l := range append(undecided(s), left{what: "no conflict", n: s.Single}, left{what: "changed meanwhile", n: s.Changed}) {
		if l.n > 0 {
			w.row(l.what, l.n)
		}
	}
}

// unsettled is the failure to settle one key.
func unsettled(table, key string, s kvnode.Settlement) error {
	step := fmt.Sprintf("settle %s of %s", quoted(key), quoted(table))
	for _, l := range undecided(s) {
		if l.n > 0 {
			return cli.Exit(fmt.Sprintf("%s: nobody has decided, %s: %s", step, l.why, byHand(table)), rest.ExitConflict)
		}
	}
	if s.Changed > 0 {
		return cli.Exit(step+": it got another version meanwhile: settle it again", rest.ExitConflict)
	}
	return cli.Exit(fmt.Sprintf("%s: the key has no conflict: %s lists those that are open", step, openConflicts(table)), rest.ExitNotFound)
}

// sayLeft says why conflicts were left alone, and what to do about them.
func (sh *shell) sayLeft(table string, s kvnode.Settlement) {
	some := false
	for _, l := range undecided(s) {
		if l.n > 0 {
			sh.say("%d left alone: %s", l.n, l.why)
			some = true
		}
	}
	if some {
		sh.say("  next: %s", byHand(table))
	}
}

// byHand is what to do about a conflict that nobody has decided.
func byHand(table string) string {
	return "decide by hand with 'kvnode conflict resolve ID', " + openConflicts(table) + " shows the ID"
}

func openConflicts(table string) string {
	return fmt.Sprintf("'kvnode conflict ls --open --table %s'", printable(table))
}
