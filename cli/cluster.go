package cli

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/rest"
)

func (sh *shell) clusterCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name:  "cluster",
		Usage: "show the nodes, and forget those that are gone for good",
		Subcommands: []*cli.Command{
			withExamples(&cli.Command{Name: "members", Usage: "list the nodes that the asked one knows", Description: jsonArray, Action: sh.members},
				"kvnode cluster members", "kvnode cluster members --output json"),
			withExamples(&cli.Command{Name: "status", Usage: "describe the asked node", Action: sh.status},
				"kvnode cluster status", "kvnode cluster status --addr 127.0.0.1:7070"),
			withExamples(&cli.Command{
				Name: "forget", Usage: "forget a member that is gone for good: nothing waits for it any more", ArgsUsage: "NODE", Action: sh.forget,
			}, "kvnode cluster forget b", "kvnode cluster forget c --addr 127.0.0.1:7070"),
		},
	}, "kvnode cluster members", "kvnode cluster status")
}

func (sh *shell) members(c *cli.Context) error {
	if _, err := operands(c, ""); err != nil {
		return err
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		members, err := client.Members(ctx)
		if err != nil {
			return fmt.Errorf("list members: %w", err)
		}
		return sh.show(c, members, func(w *grid) { fillMembers(w, members) })
	})
}

func (sh *shell) forget(c *cli.Context) error {
	names, err := operands(c, "NODE")
	if err != nil {
		return err
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		if err := client.Forget(ctx, names[0]); err != nil {
			return fmt.Errorf("forget %s: %w", quoted(names[0]), err)
		}
		return sh.showDone(c, "member", names[0], "forgotten")
	})
}

func fillMembers(w *grid, members []rest.Member) {
	w.row("NODE", "INCARNATION", "HTTP", "ROUTE", "CONNECTED", "READY", "RESTARTS", "UPTIME")
	for _, m := range members {
		name := m.Name
		if m.Self {
			name += " (asked)"
		}
		w.row(name, short(m.Incarnation.String()), orDash(m.HTTP), orDash(m.Route), yesNo(m.Connected), yesNo(m.Ready), m.Restarts, orDash(m.Uptime))
	}
}

func (sh *shell) status(c *cli.Context) error {
	if _, err := operands(c, ""); err != nil {
		return err
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		status, err := client.Status(ctx)
		if err != nil {
			return fmt.Errorf("ask for the status: %w", err)
		}
		return sh.show(c, status, func(w *grid) { fillStatus(w, status) })
	})
}

func fillStatus(w *grid, s rest.Status) {
	connected := 0
	for _, m := range s.Members {
		if m.Connected {
			connected++
		}
	}
	w.row("node", s.Name)
	w.row("cluster", s.Cluster)
	w.row("actor", s.Actor)
	w.row("ready", yesNo(s.Ready))
	w.row("uptime", s.Uptime.Round(time.Second))
	w.row("restarts", s.Restarts)
	w.row("members", fmt.Sprintf("%d known, %d connected", len(s.Members), connected))
	w.row("tables", s.Tables)
	w.row("keys", s.Keys)
	w.row("conflicts", s.Conflicts)
	w.row("findings", s.Findings)
	w.row("digest", s.Digest)
}

// version is what this program is.
type version struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
}

func (sh *shell) versionCommand() *cli.Command {
	return withExamples(&cli.Command{Name: "version", Usage: "print the version of this program, as kvnode --version does", Action: sh.version},
		"kvnode version", "kvnode version --output json")
}

func (sh *shell) version(c *cli.Context) error {
	if _, err := operands(c, ""); err != nil {
		return err
	}
	v := version{Version: "(devel)", Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			v.Version = info.Main.Version
		}
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				v.Revision = setting.Value
			}
		}
	}
	return sh.show(c, v, func(w *grid) { w.row("kvnode", v.Version, orDash(short(v.Revision)), v.Go) })
}
