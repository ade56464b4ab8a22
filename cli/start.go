package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode"
)

// closeTimeout bounds the leaving of a cluster.
const closeTimeout = 15 * time.Second

func (sh *shell) startCommand() *cli.Command {
	defaults := kvnode.DefaultConfig()
	return withExamples(&cli.Command{
		Name:  "start",
		Usage: "run a node until it is interrupted",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", EnvVars: []string{"KVNODE_NAME"}, Value: defaults.Name, Usage: "`NAME` of this node, unique in the cluster"},
			&cli.StringFlag{Name: "http", EnvVars: []string{"KVNODE_HTTP"}, Value: defaults.HTTP, Usage: "`HOST:PORT` of the HTTP API, '-' for none; port 0 takes a free one"},
			&cli.StringFlag{Name: "route", EnvVars: []string{"KVNODE_ROUTE"}, Value: defaults.Route, Usage: "`HOST:PORT` where other nodes connect; port 0 takes a free one"},
			&cli.StringFlag{Name: "advertise", EnvVars: []string{"KVNODE_ADVERTISE"}, Usage: "`HOST:PORT` that other nodes are told instead of --route"},
			&cli.StringSliceFlag{Name: "join", EnvVars: []string{"KVNODE_JOIN"}, Usage: "`HOST:PORT` of another node's route; repeat it or separate by commas"},
			&cli.StringSliceFlag{Name: "dial", Hidden: true, Usage: "`HOST:PORT=HOST:PORT`: dial the second address in place of the first"},
			&cli.StringFlag{Name: "cluster", EnvVars: []string{"KVNODE_CLUSTER"}, Value: defaults.Cluster, Usage: "`NAME` of the cluster; others are refused"},
			&cli.StringFlag{Name: "data", EnvVars: []string{"KVNODE_DATA"}, Usage: "`DIRECTORY` for compiled handlers and known members; entries stay in memory"},
			&cli.StringFlag{Name: "nats-url", EnvVars: []string{"KVNODE_NATS_URL"}, Usage: "`URL` of an external NATS cluster to use instead of the embedded one"},
			&cli.StringFlag{Name: "on-trap", EnvVars: []string{"KVNODE_ON_TRAP"}, Value: defaults.OnTrap, Usage: "`WHAT` follows a handler's trap: restart within the process, or exit with code 70 once a ready peer has everything that this node holds, else restart"},
			&cli.DurationFlag{Name: "forget-after", EnvVars: []string{"KVNODE_FORGET_AFTER"}, Value: defaults.ForgetAfter, Usage: "`TIME` after which a member that is away is forgotten"},
			&cli.StringFlag{Name: "log-level", EnvVars: []string{"KVNODE_LOG_LEVEL"}, Value: "info", Usage: "least `LEVEL` to log: debug, info, warn, error"},
		},
		Action: sh.start,
	}, "kvnode start --name a", "kvnode start --name b --http 127.0.0.1:7071 --route 127.0.0.1:6223 --join 127.0.0.1:6222")
}

func (sh *shell) start(c *cli.Context) error {
	if _, err := operands(c, ""); err != nil {
		return err
	}
	config, err := sh.nodeConfig(c)
	if err != nil {
		return err
	}
	node, err := kvnode.Open(c.Context, config)
	if err != nil {
		return fmt.Errorf("start node %s: %w", config.Name, err)
	}
	sh.say("node %s of cluster %s: HTTP on %s, routes on %s", config.Name, config.Cluster, orDash(node.HTTPAddr()), routesOf(node))
	stop := context.AfterFunc(c.Context, func() { sh.leave(node) })
	defer stop()
	if err := node.Wait(); err != nil && !errors.Is(err, kvnode.ErrClosed) {
		return fmt.Errorf("node %s ended: %w", config.Name, err)
	}
	sh.say("node %s ended", config.Name)
	return nil
}

// routesOf says where the node takes routes, and where it sends others for them.
func routesOf(node *kvnode.Node) string {
	listens, known := orDash(node.ListenAddr()), orDash(node.RouteAddr())
	if listens == known {
		return listens
	}
	return listens + ", known to others as " + known
}

// leave ends the node in order; its Wait then returns. A close that does not end in time is said, and left to the next signal.
func (sh *shell) leave(node *kvnode.Node) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := node.Close(ctx); errors.Is(err, context.DeadlineExceeded) {
		sh.say("still leaving after %s; interrupt again to stop at once", closeTimeout)
	}
}

func (sh *shell) nodeConfig(c *cli.Context) (kvnode.Config, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.String("log-level"))); err != nil {
		return kvnode.Config{}, usagef("--log-level is debug, info, warn or error, not %q", c.String("log-level"))
	}
	if c.IsSet("forget-after") && c.Duration("forget-after") == 0 {
		return kvnode.Config{}, usagef("--forget-after 0s: use a positive time such as 24h")
	}
	dial, err := detours(c.StringSlice("dial"))
	if err != nil {
		return kvnode.Config{}, err
	}
	config := kvnode.Config{
		Name: c.String("name"), HTTP: c.String("http"), Route: c.String("route"), Advertise: c.String("advertise"),
		Join: c.StringSlice("join"), Dial: dial, Cluster: c.String("cluster"), DataDir: c.String("data"), NATSURL: c.String("nats-url"),
		OnTrap: c.String("on-trap"), ForgetAfter: c.Duration("forget-after"), Logger: slog.New(slog.NewTextHandler(sh.talk, &slog.HandlerOptions{Level: level})),
	}
	if err := config.Validate(); err != nil {
		return config, badStart(err)
	}
	return config, nil
}

// detours reads what --dial maps.
func detours(given []string) (map[string]string, error) {
	dial := make(map[string]string, len(given))
	for _, one := range given {
		addr, instead, ok := strings.Cut(one, "=")
		if !ok {
			return nil, usagef("--dial %s: use HOST:PORT=HOST:PORT", quoted(one))
		}
		dial[addr] = instead
	}
	return dial, nil
}

// badStart says a mistake in the configuration in the words of the command line.
func badStart(err error) error {
	wrong, ok := errors.AsType[*kvnode.ConfigError](err)
	if !ok {
		return usagef("%s", err)
	}
	flag := strings.ToLower(wrong.Field)
	switch wrong.Field {
	case "OnTrap":
		flag = "on-trap"
	case "ForgetAfter":
		flag = "forget-after"
	}
	return usagef("--%s %s: use %s", flag, quoted(wrong.Given), wrong.Want)
}
