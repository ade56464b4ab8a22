package cli

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/rest"
)

// withExamples ends the help of a command in examples.
func withExamples(c *cli.Command, lines ...string) *cli.Command {
	template := cli.CommandHelpTemplate
	if len(c.Subcommands) > 0 {
		template = cli.SubcommandHelpTemplate
	}
	c.CustomHelpTemplate = template + exampleLines(lines...)
	return c
}

// exitCodes is the table of the exit codes, which all commands hold to; README.md has the same.
func exitCodes() []struct {
	code  int
	means string
} {
	return []struct {
		code  int
		means string
	}{
		{rest.ExitDone, "done"},
		{rest.ExitError, "failed: a file cannot be read or is no good, a test failed, a promise was broken, an address is in use, the cluster is another"},
		{rest.ExitUsage, "usage: the command line is wrong, or a name, key, pattern or number on it"},
		{rest.ExitNotFound, "not found: a table, key, plugin, handler, conflict or member is not there"},
		{rest.ExitConflict, "conflict: what is there stands against it, such as a live node of the same name"},
		{rest.ExitUnavailable, "unavailable: no node answers, or it cannot do it now; trying again may help"},
		{ExitTrap, "trap: a node that was started with --on-trap exit ended after one; start it again"},
	}
}

// exitCodeLines is a part of a help template.
func exitCodeLines() string {
	var b strings.Builder
	b.WriteString("\nEXIT CODES:\n")
	for _, e := range exitCodes() {
		fmt.Fprintf(&b, "   %-2d  %s\n", e.code, e.means)
	}
	return b.String()
}

// exampleLines is the end of a help template.
func exampleLines(lines ...string) string {
	var b strings.Builder
	b.WriteString("\nEXAMPLES:\n")
	for _, line := range lines {
		b.WriteString("   {{" + strconv.Quote(line) + "}}\n")
	}
	return b.String()
}

// badModule is what to do about a module that no node takes.
const badModule = "a handler is a WebAssembly module that exports what docs/HANDLERS.md describes, and imports nothing else; the SDK sees to the exports"

// nextStep says what to do about an error whose own text does not say it already.
func nextStep(err error) string {
	switch {
	case errors.Is(err, errUsage):
		return ""
	case errors.Is(err, kvnode.ErrExitOnTrap):
		return "start it again with the same --name, or let a supervisor do so"
	}
	if errors.Is(err, plugins.ErrModule) {
		return badModule
	}
	if _, ok := errors.AsType[*noTableError](err); ok {
		return "list the tables with 'kvnode table ls'"
	}
	step := stepAfter(rest.ProblemOf(err).Code)
	if at, ok := errors.AsType[*placed](err); ok {
		return at.fill(cmp.Or(at.next, step))
	}
	return step
}

// stepAfter says what to do about an error of the table of package rest.
func stepAfter(code string) string {
	switch code {
	case "not_found":
		return "list the keys with 'kvnode match TABLE \"*\"'"
	case "bad_option", "table_exists":
		return "see the options with 'kvnode table info TABLE' and 'kvnode table create --help'"
	case "bad_pattern":
		return "see 'kvnode match --help'; a backslash quotes the next character"
	case "bad_module":
		return badModule
	case "not_open":
		return "see what the key has now with 'kvnode get TABLE KEY --siblings'"
	case "conflict":
		return "read the key again with 'kvnode get TABLE KEY --output json' and write with its context"
	case "too_many_siblings":
		return "read the key and write it without --context: that replaces all of them"
	case "not_ready", "closed", "overloaded":
		return "try again, or ask another node with --addr; 'kvnode cluster members' lists them"
	case "no_quorum", "not_acknowledged":
		return "see who is connected with 'kvnode cluster members', or write with a lower --ack"
	case "peer_failed":
		return "read back what you wrote, or ask another node with --addr"
	case "unreachable":
		return "start a node with 'kvnode start', or name a running one with --addr or KVNODE_ADDR"
	case "bad_answer":
		return "give the node's HTTP address with --addr, not its route address"
	case "deadline_exceeded":
		return "wait longer with --timeout, or ask another node with --addr; a write may have been applied"
	default:
		return ""
	}
}
