package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/rest"
)

const (
	// logPause is how long to wait before a node whose log broke off is asked again.
	logPause = 250 * time.Millisecond
	// maxPrinted is how many lines are remembered, so that none is printed twice: more than a node keeps.
	maxPrinted = 4000
)

func (sh *shell) pluginLogs(c *cli.Context) error {
	args, err := operands(c, "[PLUGIN]")
	if err != nil {
		return err
	}
	p := &logPrinter{sh: sh, c: c, plugin: args[0]}
	if !c.Bool("follow") {
		return sh.ask(c, p.printAll)
	}
	return sh.stream(c, func(ctx context.Context, client *rest.Client) error {
		err := p.follow(ctx, client)
		if errors.Is(ctx.Err(), context.Canceled) {
			err = nil // an interrupt is how following ends
		}
		return err
	})
}

// logPrinter prints the lines of a node's log, none twice.
type logPrinter struct {
	sh     *shell
	c      *cli.Context
	plugin string
	// printed are the latest lines, oldest first; again counts those of them that the node may tell once more.
	printed []rest.LogLine
	again   map[rest.LogLine]int
}

// printAll prints what the node has.
func (p *logPrinter) printAll(ctx context.Context, client *rest.Client) error {
	lines, err := client.HandlerLog(ctx, p.plugin, false)
	if err == nil {
		err = p.print(lines)
	}
	if err == nil {
		p.sh.sayNone(p.c, len(p.printed), "no handler has printed anything at this node, and none has trapped")
	}
	return asLog(err)
}

// follow prints what the node has and what comes, until ctx ends; also across restarts of the node, whose log outlives those in place.
func (p *logPrinter) follow(ctx context.Context, client *rest.Client) error {
	lines, err := client.HandlerLog(ctx, p.plugin, true)
	for err == nil {
		err = p.print(lines)
		if code := rest.ProblemOf(err).Code; err != nil && passes(code) {
			p.sh.say("kvnode: the log broke off (%s); it goes on when the node answers again, interrupt to end", code)
			lines, err = p.resume(ctx, client)
		}
	}
	return asLog(err)
}

// resume asks until the node answers, or an error comes that will not pass.
func (p *logPrinter) resume(ctx context.Context, client *rest.Client) (iter.Seq2[rest.LogLine, error], error) {
	p.again = map[rest.LogLine]int{}
	for _, line := range p.printed {
		p.again[line]++
	}
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(logPause):
		}
		lines, err := client.HandlerLog(ctx, p.plugin, true)
		if err == nil || !passes(rest.ProblemOf(err).Code) {
			return lines, err
		}
	}
}

// passes says whether an error is one of a node that restarts.
func passes(code string) bool {
	return slices.Contains([]string{"closed", "not_ready", "unreachable", "overloaded", "peer_failed"}, code)
}

func (p *logPrinter) print(lines iter.Seq2[rest.LogLine, error]) error {
	for line, err := range lines {
		switch {
		case err != nil && rest.ProblemOf(err).Code == "overloaded":
			p.sh.say("kvnode: %s", printable(err.Error()))
			continue
		case err != nil:
			return err
		case p.again[line] > 0:
			p.again[line]--
			continue
		}
		if err := p.sh.showLogLine(p.c, line); err != nil {
			return err
		}
		if p.printed = append(p.printed, line); len(p.printed) > maxPrinted {
			p.printed = slices.Delete(p.printed, 0, maxPrinted/10)
		}
	}
	return nil
}

func asLog(err error) error {
	if err != nil {
		return fmt.Errorf("read the log of handlers: %w", err)
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
