package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode"
	"github.com/kvnode/kvnode/plugins/examples"
)

// demoTimeout bounds the whole demonstration.
const demoTimeout = 60 * time.Second

func demoCommand() *cli.Command {
	return &cli.Command{
		Name:      "demo",
		Usage:     "three nodes, a network split, a conflict, a trap: see the whole product work, and check it",
		ArgsUsage: " ",
		Description: "Starts three nodes in this process, with real NATS routes on loopback, and checks every claim that it makes.\n" +
			"Nothing is left behind.\n\nExamples:\n   kvnode demo\n   kvnode demo > demo.txt",
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return cli.Exit("demo takes no arguments", 2)
			}
			ctx, cancel := context.WithTimeout(c.Context, demoTimeout)
			defer cancel()
			return runDemo(ctx, c.App.Writer)
		},
	}
}

// demoNames are the nodes.
func demoNames() []string { return []string{"ada", "bob", "cyd"} }

const (
	demoTable = "carts"
	demoKey   = "cart:42"
	// demoPoison is the key on which the trapping handler traps.
	demoPoison = "poison"
)

// demo is one run: the cluster, what is printed, and what happened at the nodes.
type demo struct {
	*stage
	lab    *kvnode.Lab
	events *demoEvents
}

// runDemo plays all acts. Its error says which claim did not hold.
func runDemo(ctx context.Context, out io.Writer) (err error) {
	d := &demo{stage: newStage(out), events: newDemoEvents()}
	d.title("kvnode: the user decides what a conflict means")
	d.say("Three nodes start in this process and meet over real NATS routes on loopback.")
	d.lab, err = kvnode.OpenLab(ctx, demoNames(), func(c *kvnode.Config) {
		name := c.Name
		c.Events = func(e kvnode.Event) { d.events.add(name, e) }
	})
	if err != nil {
		return fmt.Errorf("start the cluster: %w", err)
	}
	defer func() { err = errors.Join(err, d.lab.Close(context.WithoutCancel(ctx))) }()
	for _, act := range []func(context.Context) error{d.write, d.split, d.heal, d.agree, d.trap, d.recover} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	d.title(fmt.Sprintf("Done: %d claims checked in %.1f s.", d.claims, d.elapsed().Seconds()))
	return nil
}

func (d *demo) write(ctx context.Context) error {
	d.act("1", "A table, a handler, a first cart")
	ada := d.lab.Node("ada")
	if _, err := ada.CreateTable(ctx, demoTable, kvnode.TableOptions{}); err != nil {
		return fmt.Errorf("create table: %w", err)
	}
	plugin, err := ada.InstallPlugin(ctx, demoTable, examples.Cart(), kvnode.Limits{})
	if err != nil {
		return fmt.Errorf("install handler: %w", err)
	}
	d.say("Table %s exists everywhere. Its handler %s, written in Go, merges carts: all lines, the larger quantity of each.",
		d.bold(demoTable), d.bold(plugin.Name+"@"+plugin.SHA256[:8]))
	if err := d.put(ctx, "ada", demoKey, `{"lines":[{"sku":"apple","qty":1}]}`); err != nil {
		return err
	}
	for _, name := range demoNames() {
		value, err := d.value(ctx, name, demoKey)
		if err != nil {
			return err
		}
		if err := d.claim(value == `{"lines":[{"sku":"apple","qty":1}]}`, "%s reads the cart: %s", name, value); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) split(ctx context.Context) error {
	d.act("2", "The network splits: {ada} | {bob, cyd}; both sides go on writing")
	d.lab.Cut([]string{"ada"}, []string{"bob", "cyd"})
	for name, peers := range map[string]int{"ada": 0, "bob": 1, "cyd": 1} {
		if err := d.lab.AwaitPeers(ctx, name, peers); err != nil {
			return err
		}
	}
	d.say("The routes are cut: ada sees nobody, bob and cyd see each other.")
	if err := d.put(ctx, "ada", demoKey, `{"lines":[{"sku":"apple","qty":3}]}`); err != nil {
		return err
	}
	if err := d.put(ctx, "bob", demoKey, `{"lines":[{"sku":"apple","qty":1},{"sku":"pear","qty":2}]}`); err != nil {
		return err
	}
	cyd, err := d.value(ctx, "cyd", demoKey)
	if err != nil {
		return err
	}
	ada, err := d.value(ctx, "ada", demoKey)
	if err != nil {
		return err
	}
	return d.claim(ada != cyd, "the islands disagree: ada has %s, cyd has %s", ada, cyd)
}

func (d *demo) heal(ctx context.Context) error {
	d.act("3", "The network heals; concurrent versions meet")
	d.lab.Heal()
	if err := d.lab.AwaitWhole(ctx); err != nil {
		return err
	}
	d.say("All nodes are connected again (%.1f s). Neither cart is newer than the other: a conflict, and one node runs the handler.", d.elapsed().Seconds())
	judged, err := d.events.await(ctx, kvnode.EventJudged, demoKey)
	if err != nil {
		return fmt.Errorf("wait for the merging node: %w", err)
	}
	entry, err := d.conflict(ctx, judged.node, demoKey)
	if err != nil {
		return err
	}
	d.showConflict(entry)
	return d.claim(entry.State == kvnode.Resolved && len(entry.Versions) == 2, "%s ran the handler: verdict %s", judged.node, entry.Verdict)
}

func (d *demo) agree(ctx context.Context) error {
	d.act("4", "All three nodes agree")
	const want = `{"lines":[{"sku":"apple","qty":3},{"sku":"pear","qty":2}]}`
	for _, name := range demoNames() {
		if err := d.awaitValue(ctx, name, demoKey, want); err != nil {
			return err
		}
		if err := d.claim(true, "%s reads %s", name, want); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) trap(ctx context.Context) error {
	d.act("5", "A handler that traps")
	bob := d.lab.Node("bob")
	bad, err := bob.InstallPlugin(ctx, "faulty", examples.Trap(), kvnode.Limits{})
	if err != nil {
		return fmt.Errorf("install the trapping handler: %w", err)
	}
	if _, err := bob.Activate(ctx, demoTable, bad.SHA256); err != nil {
		return fmt.Errorf("activate the trapping handler: %w", err)
	}
	d.say("%s is active now; it traps on the key %s. Two clients read that cart and both write it back.",
		d.bold("faulty@"+bad.SHA256[:8]), d.bold(demoPoison))
	if err := d.writeConcurrently(ctx); err != nil {
		return err
	}
	restart, err := d.events.await(ctx, kvnode.EventRestart, demoPoison)
	if err != nil {
		return fmt.Errorf("wait for the restart: %w", err)
	}
	d.say("The handler trapped at %s, the merging node. It quarantines the conflict and restarts itself.", d.bold(restart.node))
	if err := d.awaitRestarted(ctx, restart.node); err != nil {
		return err
	}
	if err := d.lab.AwaitWhole(ctx); err != nil {
		return err
	}
	if err := d.checkRestarts(ctx, restart.node); err != nil {
		return err
	}
	return d.checkNothingLost(ctx)
}

func (d *demo) recover(ctx context.Context) error {
	d.act("6", "The good handler again")
	if _, err := d.lab.Node("cyd").Activate(ctx, demoTable, demoTable); err != nil {
		return fmt.Errorf("activate the good handler: %w", err)
	}
	const want = `{"lines":[{"sku":"fig","qty":1},{"sku":"kiwi","qty":5}]}`
	for _, name := range demoNames() {
		if err := d.awaitValue(ctx, name, demoPoison, want); err != nil {
			return err
		}
		if err := d.claim(true, "%s reads the quarantined cart, resolved: %s", name, want); err != nil {
			return err
		}
	}
	return d.checkRestartCount(ctx)
}
