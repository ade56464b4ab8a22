package cli

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/fixture"
	"github.com/kvnode/kvnode/rest"
)

func (sh *shell) conflictExport(c *cli.Context) error {
	if _, err := operands(c, ""); err != nil {
		return err
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		conflicts, err := chosenConflicts(ctx, c, client)
		if err != nil {
			return err
		}
		e := exported{cases: []fixture.Case{}, without: map[string]int{}}
		for _, f := range conflicts {
			e.add(f, c.Bool("want"))
		}
		if err := sh.writeCases(c.String("o"), e.cases); err != nil {
			return err
		}
		sh.say("%s", e.summary(c.String("o")))
		return nil
	})
}

// exported are conflicts as fixtures.
type exported struct {
	cases []fixture.Case
	// unknown counts the conflicts whose versions the node does not know, without those that have no verdict to expect, by the reason.
	unknown int
	without map[string]int
}

func (e *exported) add(f rest.Conflict, want bool) {
	in := inputOf(f)
	if len(in.Versions) < 2 { // the journal knows of it by hearsay
		e.unknown++
		return
	}
	out := fixture.New(fmt.Sprintf("%s/%s %s", f.Table, cell(f.Key), short(f.ID)), in)
	if want {
		var why string
		if out.Want, why = wantOf(f); out.Want == nil {
			e.without[why]++
		}
	}
	e.cases = append(e.cases, out)
}

// summary says what was written, and what was not.
func (e *exported) summary(file string) string {
	parts := []string{counted(len(e.cases), "conflict") + " written"}
	if file != "" {
		parts[0] += " to " + printable(file)
	}
	if e.unknown > 0 {
		parts = append(parts, fmt.Sprintf("%d left out, because this node does not know the versions", e.unknown))
	}
	for _, why := range slices.Sorted(maps.Keys(e.without)) {
		parts = append(parts, fmt.Sprintf("%d without an expected verdict, because %s", e.without[why], why))
	}
	return strings.Join(parts, "; ")
}

func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// writeCases writes fixtures to a file, or to stdout.
func (sh *shell) writeCases(file string, cases []fixture.Case) error {
	var out bytes.Buffer
	if err := fixture.Write(&out, cases); err != nil {
		return fmt.Errorf("encode the conflicts: %w", err)
	}
	if file != "" {
		return asOutput(os.WriteFile(file, out.Bytes(), 0o644))
	}
	_, err := out.WriteTo(sh.stdout)
	return asOutput(err)
}

// inputOf is what a handler is given of a recorded conflict.
func inputOf(f rest.Conflict) plugins.Input {
	in := plugins.Input{Key: []byte(f.Key)}
	for _, v := range f.Inputs() {
		in.Versions = append(in.Versions, inputVersion(v))
	}
	if f.Base != nil {
		base := inputVersion(*f.Base)
		in.Base = &base
	}
	return in
}

func inputVersion(v rest.Version) plugins.Version {
	return plugins.Version{Value: v.Value, Time: uint64(v.Stamp), Origin: v.Actor.Origin(), Deleted: v.Deleted}
}

// wantOf is the recorded verdict as an expectation; nil, and why, where there is none that a handler could be held to.
func wantOf(f rest.Conflict) (want *fixture.Want, why string) {
	o := f.Outcome()
	switch o.Verdict {
	case "value":
		if o.Value == nil {
			return nil, "its value is too long for this node to have been told"
		}
		return fixture.Expect(plugins.Verdict{Kind: plugins.Set, Value: o.Value}), ""
	case "delete":
		return fixture.Expect(plugins.Verdict{Kind: plugins.Delete}), ""
	case "keep":
		return fixture.Expect(plugins.Verdict{Kind: plugins.Keep}), ""
	case "error":
		return fixture.Expect(plugins.Verdict{Kind: plugins.Failed, Message: o.Reason}), ""
	case "trap":
		return nil, "the handler trapped"
	case "policy":
		return nil, "the policy of the table decided"
	default:
		return nil, "nobody has judged"
	}
}
