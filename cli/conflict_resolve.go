package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/rest"
)

func (sh *shell) conflictResolve(c *cli.Context) error {
	args, err := operands(c, "ID")
	if err != nil {
		return err
	}
	r, err := sh.resolution(c)
	if err != nil {
		return err
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		written, err := client.Resolve(ctx, args[0], r)
		if err != nil {
			return fmt.Errorf("resolve conflict %s: %w", quoted(args[0]), err)
		}
		keys := []string{written.Previous[0].Key}
		return sh.show(c, rest.NewWrittenJSON(keys, written, true), func(w *grid) {
			w.row("key", cell(keys[0]))
			w.row("replaced", fmt.Sprintf("%d versions", len(written.Previous[0].Siblings)))
			w.row("acked", written.Acked)
		})
	})
}

// resolution is what the flags say, exactly one of them.
func (sh *shell) resolution(c *cli.Context) (rest.Resolution, error) {
	given := 0
	for _, name := range []string{"value", "file", "pick", "delete"} {
		if c.IsSet(name) {
			given++
		}
	}
	r := rest.Resolution{Delete: c.Bool("delete")}
	switch {
	case given != 1 || c.IsSet("delete") && !r.Delete:
		return r, usagef("give exactly one of --value, --file, --pick and --delete")
	case c.IsSet("pick"):
		number, err := strconv.Atoi(c.String("pick"))
		if err != nil || number < 1 {
			return r, usagef("--pick %s: give the number of a version, from 1, as 'kvnode conflict show' counts them", quoted(c.String("pick")))
		}
		r.Pick = number
	case c.IsSet("value"):
		r.Value = []byte(c.String("value"))
	case c.IsSet("file"):
		value, err := sh.readFile(c.Context, c.String("file"))
		if err != nil {
			return r, fmt.Errorf("read the value: %w", err)
		}
		r.Value = append([]byte{}, value...) // an empty value is one
	}
	return r, nil
}
