package cli

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// arrange puts a command line into the one order in which urfave/cli reads all of it: every flag behind the command that declares it, then "--",
// then the operands. Left alone, it takes a flag behind an operand for an operand. Flags may stand anywhere, those of kvnode itself too; all that
// follows "--" is an operand. "help X" is "X --help".
func arrange(app *cli.App, args []string) ([]string, error) {
	a := &arranger{levels: []level{{name: app.Name, flags: app.Flags, commands: app.Commands}}}
	rest := args[min(1, len(args)):]
	if len(rest) > 0 && rest[0] == "help" {
		rest = append(slices.Clone(rest[1:]), "--help")
	}
	for len(rest) > 0 {
		used, err := a.take(rest)
		if err != nil {
			return nil, err
		}
		rest = rest[used:]
	}
	return a.ordered(), nil
}

type arranger struct {
	levels   []level
	operands []string
	literal  bool
}

// level is the program itself, a command, or a command's command.
type level struct {
	name     string
	flags    []cli.Flag
	commands []*cli.Command
	given    []string
}

// give notes a flag, with its value if it has one.
func (l *level) give(name, value string, hasValue bool) {
	given := "--" + name
	if hasValue {
		given += "=" + value
	}
	l.given = append(l.given, given)
}

// take reads the next argument and returns how many it used.
func (a *arranger) take(args []string) (int, error) {
	arg := args[0]
	switch {
	case a.literal:
		a.operands = append(a.operands, arg)
	case arg == "--":
		a.literal = true
	case len(arg) > 1 && arg[0] == '-':
		return a.takeFlag(args)
	case len(a.last().commands) > 0:
		return 1, a.descend(arg)
	default:
		a.operands = append(a.operands, arg)
	}
	return 1, nil
}

func (a *arranger) last() *level { return &a.levels[len(a.levels)-1] }

func (a *arranger) descend(name string) error {
	for _, c := range a.last().commands {
		if c.HasName(name) {
			a.levels = append(a.levels, level{name: name, flags: c.Flags, commands: c.Subcommands})
			return nil
		}
	}
	return usagef("unknown command %s: %sSee '%s --help'", quoted(name), didYouMean(a.last().commands, name), a.path())
}

// takeFlag gives a flag to the innermost command that declares it.
func (a *arranger) takeFlag(args []string) (int, error) {
	name := strings.TrimPrefix(strings.TrimPrefix(args[0], "-"), "-")
	name, value, hasValue := strings.Cut(name, "=")
	if slices.Contains(cli.HelpFlag.Names(), name) {
		a.last().given = append(a.last().given, "--help")
		return 1, nil
	}
	if name == "version" && len(a.levels) == 1 {
		return 1, a.descend(name)
	}
	for i := len(a.levels) - 1; i >= 0; i-- {
		flag := find(a.levels[i].flags, name)
		if flag == nil {
			continue
		}
		used := 1
		if _, isSwitch := flag.(*cli.BoolFlag); !isSwitch && !hasValue {
			if len(args) < 2 {
				return 0, usagef("--%s needs a value", name)
			}
			value, hasValue, used = args[1], true, 2
		}
		a.levels[i].give(name, value, hasValue)
		return used, checkValue(flag, name, value)
	}
	return 0, a.unknown(args[0])
}

func (a *arranger) unknown(arg string) error {
	return usagef("unknown flag %s: see '%s --help'; put keys and values that begin with '-' behind '--'", cut(arg), a.path())
}

// path is the command so far.
func (a *arranger) path() string {
	names := make([]string, len(a.levels))
	for i, l := range a.levels {
		names[i] = l.name
	}
	return strings.Join(names, " ")
}

func find(flags []cli.Flag, name string) cli.Flag {
	for _, flag := range flags {
		if slices.Contains(flag.Names(), name) {
			return flag
		}
	}
	return nil
}

func (a *arranger) ordered() []string {
	var args []string
	for _, l := range a.levels {
		args = append(append(args, l.name), l.given...)
	}
	if len(a.operands) > 0 {
		args = append(append(args, "--"), a.operands...)
	}
	return args
}

// checkValue refuses what cannot be a flag's value, in better words than those of package flag.
func checkValue(flag cli.Flag, name, value string) error {
	switch flag := flag.(type) {
	case *cli.StringFlag:
		if value == "" && flag.Value != "" {
			return usagef("--%s is empty: leave it out for %q", name, flag.Value)
		}
	case *cli.BoolFlag:
		if _, err := strconv.ParseBool(value); err != nil && value != "" {
			return usagef("--%s is a switch: leave out %s", name, quoted("="+value))
		}
	case *cli.Float64Flag:
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return usagef("--%s %s is no number", name, quoted(value))
		}
	case *cli.DurationFlag:
		return checkDuration(name, value)
	case *cli.IntFlag, *cli.Uint64Flag:
		if _, err := strconv.ParseUint(value, 10, 63); err != nil {
			return usagef("--%s %s is no whole number from 0", name, quoted(value))
		}
	}
	return nil
}

func checkDuration(name, value string) error {
	if _, err := time.ParseDuration(value); err == nil {
		return nil
	}
	if _, err := time.ParseDuration(value + "s"); err == nil {
		return usagef("--%s %s lacks a unit: write \"%ss\" for seconds", name, quoted(value), value)
	}
	return usagef("--%s %s is no time: write it like 500ms, 30s or 1m30s", name, quoted(value))
}

// operands checks the operands against a usage like "TABLE KEY..." or "TABLE [PATTERN]", and returns them with "" for those left out. Those that
// name something must not be empty; keys, values and patterns are for the node to judge.
func operands(c *cli.Context, usage string) ([]string, error) {
	return operandsBeside(c, usage, "")
}

// operandsBeside is operands for a command whose usage shows a flag too.
func operandsBeside(c *cli.Context, usage, flag string) ([]string, error) {
	given := c.Args().Slice()
	words := strings.Fields(usage)
	required := len(words)
	for required > 0 && strings.HasPrefix(words[required-1], "[") {
		required--
	}
	repeats := strings.HasSuffix(usage, "...")
	command := strings.Join(strings.Fields(c.Command.HelpName+" "+usage+" "+flag), " ")
	switch {
	case len(given) < required:
		return nil, usagef("%s is missing: the usage is '%s'", strings.TrimSuffix(words[len(given)], "..."), command)
	case len(given) > len(words) && !repeats:
		return nil, usagef("%s is one argument too many: the usage is '%s'", quoted(given[len(words)]), command)
	}
	for i, word := range words[:min(len(words), len(given))] {
		if kind := naming(word); kind != "" && given[i] == "" {
			return nil, usagef("bad %s: %s is empty, the usage is '%s'", kind, word, command)
		}
	}
	for len(given) < len(words) {
		given = append(given, "")
	}
	return given, nil
}

// naming says what an operand names; nothing when it is free text.
func naming(operand string) string {
	switch operand {
	case "TABLE":
		return "table name"
	case "NAME", "PLUGIN":
		return "plugin name"
	case "NODE":
		return "node name"
	case "FILE":
		return "file name"
	case "ID":
		return "conflict id"
	default:
		return ""
	}
}

// joined lists words for people.
func joined(words []string) string { return strings.Join(words, ", ") }
