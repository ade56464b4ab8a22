package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/engine"
)

// TestScenarios plays the scripts in testdata. Each is one cluster on a network that takes a millisecond. A line is a command:
//
//	start NODE...                     boot nodes and wait until all are ready
//	run DURATION                      let time pass
//	create|drop NODE TABLE [ack=... unresolved=...]
//	install NODE NAME MODULE          the modules are those of enginetest.Handlers
//	activate NODE TABLE NAME
//	put NODE TABLE KEY VALUE [seen=READ] [if-unchanged] [ack=LEVEL]
//	delete NODE TABLE KEY [seen=READ] [if-unchanged]
//	read NODE TABLE KEY [as=READ]     as= names what was seen, for seen=
//	cut NODE... / NODE...             both ways, until heal
//	mute FROM TO                      one way
//	heal
//	crash|boot NODE                   a crash loses all memory
//	pause NODE DURATION               neither ticks nor listens
//	dump                              what readers see, by the nodes that see the same
//
// Calls wait for their acknowledgements. What the nodes report meanwhile stands below. Rewrite the files with -rewrite and read the difference.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		t.Helper()
		s := &scenario{
			world: newWorld(Options{Seed: 1}), reads: map[string]token{},
		}
		s.weather = weather{oneSecret: true, latency: time.Millisecond, jitter: time.Microsecond, calls: time.Hour}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			s.t, s.d = t, d
			out := s.do()
			require.NoError(t, s.err)
			return out + s.report()
		})
	})
}

// scenario is a script under way.
type scenario struct {
	*world
	t     *testing.T
	d     *datadriven.TestData
	reads map[string]token
}

func (s *scenario) do() string {
	commands := map[string]func() string{
		"start": s.start, "run": s.pass, "create": s.create, "drop": s.dropTable, "install": s.install, "activate": s.activate, "put": s.put,
		"delete": s.put, "read": s.read, "cut": s.cut, "mute": s.mute, "heal": s.healAll, "crash": s.crash, "boot": s.start, "pause": s.pause,
		"dump": s.dump,
	}
	do := commands[s.d.Cmd]
	require.NotNil(s.t, do, "unknown command %s", s.d.Cmd)
	return do()
}

// arg returns the i-th word after the command.
func (s *scenario) arg(i int) string {
	require.Greater(s.t, len(s.d.CmdArgs), i, "%s: too few words", s.d.Cmd)
	return s.d.CmdArgs[i].Key
}

// option returns what follows name=, "" when it is not there.
func (s *scenario) option(name string) string {
	if !s.d.HasArg(name) {
		return ""
	}
	var v string
	s.d.ScanArgs(s.t, name, &v)
	return v
}

// here returns the node that the first word names.
func (s *scenario) here() *node {
	n := s.node(s.arg(0))
	require.True(s.t, n.isUp(), "%s is down", n.name)
	return n
}

func (s *scenario) duration(i int) time.Duration {
	d, err := time.ParseDuration(s.arg(i))
	require.NoError(s.t, err)
	return d
}

// report is what the nodes told since the last command, sorted, without what is always so.
func (s *scenario) report() string {
	told := s.told
	s.told = nil
	slices.Sort(told)
	return strings.Join(append(told, ""), "\n")
}

func (s *scenario) start() string {
	names := s.d.CmdArgs
	for _, a := range names {
		s.node(a.Key)
	}
	for _, a := range names {
		s.node(a.Key).boot(nil)
	}
	s.run(5 * time.Second)
	for _, a := range names {
		require.True(s.t, s.node(a.Key).status().Ready, "%s is not ready", a.Key)
	}
	return ""
}

func (s *scenario) pass() string {
	s.run(s.duration(0))
	return ""
}

// wait lets time pass until a call is acknowledged.
func (s *scenario) wait(err error) string {
	if err != nil {
		return err.Error() + "\n"
	}
	s.answer = ""
	for range 60 {
		if s.answer != "" {
			break
		}
		s.run(100 * time.Millisecond)
	}
	return s.answer
}

func (s *scenario) create() string {
	return s.wait(s.here().create(s.arg(1), engine.TableOptions{
		Ack: engine.AckLevel(s.option("ack")), Unresolved: engine.Policy(s.option("unresolved")),
	}))
}

func (s *scenario) dropTable() string { return s.wait(s.here().drop(s.arg(1))) }
func (s *scenario) install() string   { return s.wait(s.here().install(s.arg(1), s.arg(2))) }
func (s *scenario) activate() string  { return s.wait(s.here().activate(s.arg(1), s.arg(2))) }

func (s *scenario) put() string {
	w := write{
		table: s.arg(1), keys: []string{s.arg(2)}, isDelete: s.d.Cmd == "delete", ifUnchanged: s.d.HasArg("if-unchanged"), level: engine.AckLevel(s.option("ack")),
	}
	if !w.isDelete {
		w.value = s.arg(3)
	}
	if name := s.option("seen"); name != "" {
		seen, ok := s.reads[name]
		require.True(s.t, ok, "no read is called %s", name)
		w.token = &seen
	}
	return s.wait(s.here().write(w))
}

func (s *scenario) read() string {
	n := s.here()
	e, story, err := n.read(s.arg(1), s.arg(2))
	if name := s.option("as"); name != "" && story != nil {
		s.reads[name] = token{story: story, text: e.Context, seen: n.known[story.ID]}
	}
	if err != nil {
		return err.Error() + "\n"
	}
	return show(e) + "\n"
}

// show is an entry for people: the value that readers see, how it came about, and the siblings that it came from.
func show(e engine.Entry) string {
	text := fmt.Sprintf("%s (%s)", e.Value, e.State)
	if e.Deleted {
		text = fmt.Sprintf("absent (%s)", e.State)
	}
	if e.Reason != "" {
		text += ", " + e.Reason
	}
	if len(e.Siblings) < 2 {
		return text
	}
	var values []string
	for _, v := range e.Siblings {
		values = append(values, string(v.Value))
	}
	return text + ", from " + strings.Join(values, " | ")
}

func (s *scenario) cut() string {
	sideOf, side := map[string]int{}, 0
	for _, a := range s.d.CmdArgs {
		if a.Key == "/" {
			side++
			continue
		}
		sideOf[a.Key] = side
	}
	s.net.split(sideOf)
	return ""
}

func (s *scenario) mute() string {
	s.net.mute(s.arg(0), s.arg(1))
	return ""
}

func (s *scenario) healAll() string {
	s.net.heal()
	return ""
}

func (s *scenario) crash() string {
	s.here().crash()
	return ""
}

func (s *scenario) pause() string {
	s.here().pause(s.duration(1))
	return ""
}

// dump shows all tables, once for all nodes that see the same.
func (s *scenario) dump() string {
	var order []string
	by := map[string][]string{}
	for _, n := range s.up() {
		sight := s.sight(n)
		if by[sight] == nil {
			order = append(order, sight)
		}
		by[sight] = append(by[sight], n.name)
	}
	var b strings.Builder
	for _, sight := range order {
		fmt.Fprintf(&b, "%s:\n%s", strings.Join(by[sight], " "), sight)
	}
	return b.String()
}

func (s *scenario) sight(n *node) string {
	var b strings.Builder
	for _, table := range tables() {
		info := n.table(table)
		if info.Epoch == 0 {
			continue
		}
		fmt.Fprintf(&b, "  %s epoch %d ack=%s unresolved=%s", table, info.Epoch, info.Options.Ack, info.Options.Unresolved)
		for _, r := range info.RejectedOptions {
			fmt.Fprintf(&b, ", rejected ack=%s unresolved=%s", r.Ack, r.Unresolved)
		}
		b.WriteString("\n")
		for _, key := range keys() {
			if e, story, _ := n.read(table, key); story != nil && len(e.Siblings) > 0 {
				fmt.Fprintf(&b, "    %s: %s\n", key, show(e))
			}
		}
	}
	return b.String()
}
