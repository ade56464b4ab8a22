package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/rest"
)

func (sh *shell) pluginLogs(c *cli.Context) error {
	args, err := operands(c, "[PLUGIN]")
	if err != nil {
		return err
	}
	ask := sh.ask
	if c.Bool("f") {
		ask = sh.stream
	}
	return ask(c, func(ctx context.Context, client *rest.Client) error {
		err := sh.printLog(ctx, c, client, args[0])
		if errors.Is(ctx.Err(), context.Canceled) {
			err = nil // an interrupt is how following ends
		}
		return err
	})
}

func (sh *shell) printLog(ctx context.Context, c *cli.Context, client *rest.Client, plugin string) error {
	for line, err := range client.HandlerLog(ctx, plugin, c.Bool("f")) {
		switch {
		case err != nil && rest.ProblemOf(err).Code == "overloaded":
			sh.say("%s", printable(err.Error()))
			continue
		case err != nil:
			return fmt.Errorf("read the log of handlers: %w", err)
		}
		if err := sh.showLogLine(c, line); err != nil {
			return err
		}
	}
	return nil
}

func (sh *shell) showLogLine(c *cli.Context, line rest.LogLine) error {
	if c.String("output") == "json" {
		return sh.showLine(rest.NewLogLineJSON(line))
	}
	text := fmt.Sprintf("%s %s %-5s %s", line.Time.Format(time.RFC3339Nano), short(line.SHA256), line.Level, printable(line.Text))
	if line.Table != "" {
		text += fmt.Sprintf(" (table %s, key %s)", line.Table, cell(line.Key))
	}
	_, err := fmt.Fprintln(sh.stdout, text)
	return asOutput(err)
}
