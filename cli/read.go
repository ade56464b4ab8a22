package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/rest"
)

// rowsTogether is how many rows of a match are aligned with each other; more would have to wait in memory.
const rowsTogether = 1000

func (sh *shell) getCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name: "get", Usage: "print the value of a key", ArgsUsage: "TABLE KEY",
		Description: "Without a terminal the value is printed byte for byte, with nothing added.",
		Flags:       []cli.Flag{&cli.BoolFlag{Name: "siblings", Usage: "print all its versions"}},
		Action:      sh.get,
	}, "kvnode get carts alice", "kvnode get carts alice --siblings")
}

func (sh *shell) get(c *cli.Context) error {
	args, err := operands(c, "TABLE KEY")
	if err != nil {
		return err
	}
	table, key := args[0], args[1]
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		e, err := client.Get(ctx, table, key)
		if err != nil && (len(e.Siblings) == 0 || !c.Bool("siblings")) {
			failed := &placed{step: fmt.Sprintf("get %s from %s", quoted(key), quoted(table)), table: table, key: key, err: err}
			if e.Deleted {
				failed.next = "see its versions with 'kvnode get TABLE KEY --siblings'"
			}
			return failed
		}
		if c.Bool("siblings") || c.String("output") == "json" {
			return sh.show(c, rest.NewEntryJSON(e), func(w *grid) { fillEntry(w, e) })
		}
		if len(e.Siblings) > 1 {
			sh.say("%d siblings (%s): see them with --siblings", len(e.Siblings), e.State)
		}
		return sh.showValue(e.Value)
	})
}

// showValue prints the bytes as they are; a terminal gets a line of its own, and control characters quoted.
func (sh *shell) showValue(value []byte) error {
	if isTerminal(sh.stdout) {
		text := bytes.TrimSuffix(value, []byte("\n"))
		if !isPlain(strings.NewReplacer("\n", "", "\t", "").Replace(string(text))) {
			text = fmt.Appendf(nil, "%q", value)
		}
		value = append(bytes.Clone(text), '\n')
	}
	_, err := sh.stdout.Write(value)
	return asOutput(err)
}

func fillEntry(w *grid, e rest.Entry) {
	w.row("key", cell(e.Key))
	w.row("state", orDash(string(e.State)))
	if e.Deleted {
		w.row("value", "(deleted)")
	} else {
		w.row("value", cell(e.Value))
	}
	if e.Reason != "" {
		w.row("reason", cell(e.Reason))
	}
	w.row("context", e.Context)
	fillVersions(w, e.Siblings)
}

func fillVersions(w *grid, versions []rest.Version) {
	for i, v := range versions {
		fillVersion(w, fmt.Sprintf("version %d", i+1), v)
	}
}

func fillVersion(w *grid, name string, v rest.Version) {
	value := cell(v.Value)
	if v.Deleted {
		value = "(deleted)"
	}
	w.row(name, value)
	w.row("", "written "+v.Time.Format(time.RFC3339Nano)+", "+v.Dot)
}

func (sh *shell) matchCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name: "match", Usage: "print the entries whose key and value match", ArgsUsage: "TABLE KEYPATTERN [VALUEPATTERN]",
		Description: "A pattern is a glob: '*', '?', '[a-z]', and '\\' quotes; an empty one matches everything, as '*' does. A value pattern that begins with '{' or '[' is a part of a JSON value, in which\n" +
			"\"_\" matches anything. With --output json each line is an entry, as 'kvnode put --from' takes it.",
		Action: sh.match,
	}, "kvnode match carts 'a*'", "kvnode match carts '*' --output json")
}

func (sh *shell) match(c *cli.Context) error {
	args, err := operands(c, "TABLE KEYPATTERN [VALUEPATTERN]")
	if err != nil {
		return err
	}
	return sh.stream(c, func(ctx context.Context, client *rest.Client) error {
		entries := &entryPrinter{sh: sh, json: c.String("output") == "json", table: newGrid(sh.stdout)}
		for e, err := range client.Match(ctx, args[0], rest.Pattern{Key: args[1], Value: args[2]}) {
			if err != nil {
				return errors.Join(fmt.Errorf("match in %s: %w", quoted(args[0]), err), entries.end())
			}
			if err := entries.add(e); err != nil {
				return err
			}
		}
		entries.header()
		return entries.end()
	})
}

// entryPrinter prints entries as they come.
type entryPrinter struct {
	sh    *shell
	json  bool
	table *grid
	rows  int
}

func (p *entryPrinter) add(e rest.Entry) error {
	if p.json {
		return p.sh.showLine(rest.NewEntryJSON(e))
	}
	p.header()
	p.table.row(cell(e.Key), cell(e.Value), e.State)
	if p.rows++; p.rows%rowsTogether == 0 {
		return p.end()
	}
	return nil
}

// header comes before the first row, and alone where there is none.
func (p *entryPrinter) header() {
	if p.rows == 0 && !p.json {
		p.table.row("KEY", "VALUE", "STATE")
	}
}

func (p *entryPrinter) end() error { return p.table.flush() }

func (sh *shell) watchCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name: "watch", Usage: "print the changes of keys as they happen", ArgsUsage: "TABLE [KEYPATTERN [VALUEPATTERN]]", Description: jsonLines,
		Flags:  []cli.Flag{&cli.IntFlag{Name: "count", Usage: "end after this many `CHANGES`", DefaultText: "never"}},
		Action: sh.watch,
	}, "kvnode watch carts 'a*'", "kvnode watch carts --count 1 --output json")
}

func (sh *shell) watch(c *cli.Context) error {
	args, err := operands(c, "TABLE [KEYPATTERN] [VALUEPATTERN]")
	if err != nil {
		return err
	}
	pattern := rest.Pattern{Key: "*", Value: args[2]}
	if args[1] != "" {
		pattern.Key = args[1]
	}
	return sh.stream(c, func(ctx context.Context, client *rest.Client) error {
		err := sh.follow(ctx, c, client, args[0], pattern)
		if errors.Is(ctx.Err(), context.Canceled) {
			err = nil // an interrupt is how a watch ends
		}
		return err
	})
}

func (sh *shell) follow(ctx context.Context, c *cli.Context, client *rest.Client, table string, pattern rest.Pattern) error {
	changes, err := client.Watch(ctx, table, pattern)
	if err != nil {
		return fmt.Errorf("watch %s: %w", quoted(table), err)
	}
	sh.say("watching %s: interrupt to end", table)
	seen := 0
	for change, err := range changes {
		if err != nil {
			return fmt.Errorf("watch %s: %w", quoted(table), err)
		}
		if err := sh.showChange(c, change); err != nil {
			return err
		}
		if seen++; seen == c.Int("count") {
			break
		}
	}
	return nil
}

func (sh *shell) showChange(c *cli.Context, change rest.Change) error {
	if c.String("output") == "json" {
		return sh.showLine(rest.NewChangeJSON(change))
	}
	line := "delete " + cell(change.Entry.Key)
	if !change.Deleted {
		line = "put " + cell(change.Entry.Key) + " " + cell(change.Entry.Value)
	}
	if len(change.Entry.Siblings) > 1 {
		line += fmt.Sprintf(" (%s, %d siblings)", change.Entry.State, len(change.Entry.Siblings))
	}
	_, err := fmt.Fprintln(sh.stdout, line)
	return asOutput(err)
}
