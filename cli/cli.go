// Package cli is the command line: it runs a node, and it asks one through rest.Client. Data goes to stdout, all other talk to stderr. The exit
// codes are those of the error table of package rest.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/rest"
)

// ExitTrap is the exit code of `kvnode start --on-trap exit` after a trap: a supervisor should start the node again.
const ExitTrap = 70

// errUsage is what all mistakes in the command line are; the user must change it.
var errUsage = errors.New("usage")

// usageError is a mistake in the command line; it reads without the word "usage".
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }
func (e *usageError) Unwrap() error { return errUsage }

func usagef(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

// fileError is a mistake in a file that the command line names, which is right itself.
type fileError struct{ message string }

func (e *fileError) Error() string { return e.message }

// shell is where one run of the program reads and writes.
type shell struct {
	stdin        io.Reader
	stdout, talk io.Writer
}

// Run runs the command line args, whose first element is the program's name, and returns the exit code. When ctx ends, it ends what it does in
// order: a node leaves its cluster, a watch stops.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	sh := &shell{stdin: stdin, stdout: stdout, talk: stderr}
	app := sh.app()
	ordered, err := arrange(app, args)
	if err == nil {
		err = app.RunContext(ctx, ordered)
	}
	return sh.report(err)
}

// report says what went wrong and what to do next, and returns the exit code.
func (sh *shell) report(err error) int {
	if err == nil {
		return rest.ExitDone
	}
	prefix := "kvnode:"
	if isTerminal(sh.talk) && os.Getenv("NO_COLOR") == "" {
		prefix = "\x1b[31mkvnode:\x1b[0m"
	}
	sh.say("%s %s", prefix, printable(err.Error()))
	if next := nextStep(err); next != "" {
		sh.say("  next: %s", next)
	}
	return exitCode(err)
}

// say writes a line for people. When that fails there is nobody left to tell.
func (sh *shell) say(format string, args ...any) {
	_, _ = fmt.Fprintf(sh.talk, format+"\n", args...)
}

func exitCode(err error) int {
	coder, hasCode := errors.AsType[cli.ExitCoder](err)
	switch {
	case errors.Is(err, errUsage), errors.Is(err, plugins.ErrConfig) && !errors.Is(err, plugins.ErrCacheDir): // limits are flags
		return rest.ExitUsage
	case errors.Is(err, kvnode.ErrExitOnTrap):
		return ExitTrap
	case hasCode:
		return coder.ExitCode()
	default:
		return rest.ProblemOf(err).Exit
	}
}

func (sh *shell) app() *cli.App {
	app := &cli.App{
		Name:            "kvnode",
		Usage:           "a distributed key-value store in which you decide what a conflict means",
		UsageText:       "kvnode COMMAND [ARGUMENT...] [--FLAG VALUE...]",
		HideHelp:        true,
		HideHelpCommand: true,
		HideVersion:     true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "addr", Value: "http://" + kvnode.DefaultHTTP, EnvVars: []string{"KVNODE_ADDR"}, Usage: "node to ask, `HOST:PORT` or URL"},
			&cli.StringFlag{Name: "output", Value: "table", EnvVars: []string{"KVNODE_OUTPUT"}, Usage: "`FORMAT` of the data: table for people, json for programs"},
			&cli.DurationFlag{Name: "timeout", Value: 30 * time.Second, EnvVars: []string{"KVNODE_TIMEOUT"}, Usage: "`TIME` to wait for an answer, 0 for ever; does not end match and watch"},
		},
		Commands:       sh.commands(),
		Before:         checkGlobals,
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   onUsageError,
		Reader:         sh.stdin,
		Writer:         sh.stdout,
		ErrWriter:      sh.talk,
	}
	app.CustomAppHelpTemplate = cli.AppHelpTemplate + exitCodeLines() + exampleLines("kvnode start --name a", "kvnode help put")
	app.Flags = append(app.Flags, helpFlag())
	tellDefaults(app.Flags)
	prepare(app.Commands)
	return app
}

func (sh *shell) commands() []*cli.Command {
	return []*cli.Command{
		sh.startCommand(),
		demoCommand(),
		sh.tortureCommand(),
		sh.tableCommand(),
		sh.putCommand(),
		sh.getCommand(),
		sh.delCommand(),
		sh.matchCommand(),
		sh.watchCommand(),
		sh.pluginCommand(),
		sh.conflictCommand(),
		sh.clusterCommand(),
		sh.versionCommand(),
	}
}

// helpFlag is --help. That of urfave/cli is a variable of the package, which every run of a program would write to.
func helpFlag() cli.Flag {
	return &cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help", DisableDefaultText: true}
}

// prepare switches off what urfave/cli would do on its own: a command "help" within every command would swallow a key of that name.
func prepare(commands []*cli.Command) {
	for _, c := range commands {
		c.HideHelp, c.HideHelpCommand = true, true
		c.Flags = append(c.Flags, helpFlag())
		tellDefaults(c.Flags)
		c.OnUsageError = func(c *cli.Context, err error, _ bool) error { return onUsageError(c, err, false) }
		if len(c.Subcommands) > 0 {
			c.Action, c.ArgsUsage = needsVerb, "VERB"
		}
		prepare(c.Subcommands)
	}
}

// tellDefaults lets the help say defaults as people type them, and none of switches.
func tellDefaults(flags []cli.Flag) {
	for _, flag := range flags {
		switch flag := flag.(type) {
		case *cli.BoolFlag:
			flag.DisableDefaultText = true
		case *cli.StringFlag:
			flag.DefaultText = cmp.Or(flag.DefaultText, flag.Value)
		}
	}
}

func onUsageError(_ *cli.Context, err error, _ bool) error {
	return usagef("%s", err)
}

func checkGlobals(c *cli.Context) error {
	if format := c.String("output"); format != "table" && format != "json" {
		return usagef("--output is table or json, not %q", format)
	}
	if c.Duration("timeout") < 0 {
		return usagef("--timeout is negative: %s", c.Duration("timeout"))
	}
	return nil
}

func needsVerb(c *cli.Context) error {
	names := make([]string, len(c.Command.Subcommands))
	for i, sub := range c.Command.Subcommands {
		names[i] = sub.Name
	}
	return usagef("%s needs a verb: %s", c.Command.HelpName, joined(names))
}

// ask calls do with a client of the node and a context that ends with --timeout.
func (sh *shell) ask(c *cli.Context, do func(ctx context.Context, client *rest.Client) error) error {
	return sh.stream(c, func(ctx context.Context, client *rest.Client) error {
		ctx, cancel := within(ctx, c)
		defer cancel()
		return do(ctx, client)
	})
}

// stream is ask without a time limit.
func (sh *shell) stream(c *cli.Context, do func(ctx context.Context, client *rest.Client) error) error {
	client, err := rest.NewClient(c.String("addr"))
	if err != nil {
		return usagef("--addr: %s", strings.TrimPrefix(err.Error(), rest.ErrBadRequest.Error()+": "))
	}
	defer client.Close()
	return do(c.Context, client)
}

// within limits one request.
func within(ctx context.Context, c *cli.Context) (context.Context, context.CancelFunc) {
	if limit := c.Duration("timeout"); limit > 0 {
		return context.WithTimeout(ctx, limit)
	}
	return context.WithCancel(ctx)
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
