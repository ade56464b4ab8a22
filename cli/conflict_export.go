package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"

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
		cases := []fixture.Case{}
		for _, f := range conflicts {
			if in := inputOf(f); len(in.Versions) > 1 { // else the journal knows of it by hearsay
				cases = append(cases, caseOf(f, in, c.Bool("want")))
			}
		}
		var out bytes.Buffer
		if err := fixture.Write(&out, cases); err != nil {
			return fmt.Errorf("encode the conflicts: %w", err)
		}
		if file := c.String("o"); file != "" {
			sh.say("%d of %d conflicts written to %s", len(cases), len(conflicts), printable(file))
			return asOutput(os.WriteFile(file, out.Bytes(), 0o644))
		}
		_, err = out.WriteTo(sh.stdout)
		return asOutput(err)
	})
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

// caseOf is a recorded conflict as a fixture, with the recorded verdict as the expectation if it is wanted and there is one.
func caseOf(f rest.Conflict, in plugins.Input, want bool) fixture.Case {
	out := fixture.New(fmt.Sprintf("%s/%s %s", f.Table, cell(f.Key), short(f.ID)), in)
	if !want {
		return out
	}
	switch f.Verdict {
	case "value":
		out.Want = fixture.Expect(plugins.Verdict{Kind: plugins.Set, Value: f.Value})
	case "delete":
		out.Want = fixture.Expect(plugins.Verdict{Kind: plugins.Delete})
	case "keep":
		out.Want = fixture.Expect(plugins.Verdict{Kind: plugins.Keep})
	case "error":
		out.Want = fixture.Expect(plugins.Verdict{Kind: plugins.Failed, Message: f.Reason})
	}
	return out
}
