// Command rebuild builds the example handlers from their sources, and compares what the results do with what the committed modules
// do: on their fixtures, and on conflicts made of these. The bytes of a module depend on the version of its compiler; its verdicts must not.
//
//	go run ./plugins/examples/rebuild [-runs 300] [-seed 1] [NAME...]
//
// It runs in the root of the repository and needs the toolchains that scripts/toolchains.sh installs. The exit code is 1 when a module cannot be
// built or decides otherwise than the committed one; the conflict is printed as a fixture.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/examples"
	"github.com/kvnode/kvnode/plugins/fixture"
)

// options are what the command line says.
type options struct {
	// folder has the examples and their build.sh.
	folder string
	// runs is how many conflicts are generated for each example, seed what they are generated from.
	runs int
	seed uint64
	// names are the examples; all that have a committed module when there are none.
	names []string
}

func main() {
	o := options{}
	flag.StringVar(&o.folder, "folder", "plugins/examples", "the folder of the examples")
	flag.IntVar(&o.runs, "runs", 300, "how many conflicts to generate for each example")
	flag.Uint64Var(&o.seed, "seed", 1, "what the conflicts are generated from")
	flag.Parse()
	o.names = flag.Args()
	if err := run(context.Background(), o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "rebuild:", err)
		os.Exit(1)
	}
}

// run builds and compares, and reports every example; its error joins those of all that differ.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	if o.names, err = chosen(o); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "rebuild-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := build(ctx, o, dir, out); err != nil {
		return err
	}
	host, err := plugins.NewHost(plugins.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close(ctx)) }()
	var differences []error
	for _, name := range o.names {
		if err := compareExample(ctx, host, o, dir, name, out); err != nil {
			differences = append(differences, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(differences...)
}

// chosen returns the names of the examples.
func chosen(o options) ([]string, error) {
	if len(o.names) > 0 {
		return o.names, nil
	}
	var names []string
	for _, pattern := range []string{"*/*.wasm", "*/*.wasm.gz"} {
		files, err := filepath.Glob(filepath.Join(o.folder, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			names = append(names, filepath.Base(filepath.Dir(file)))
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has no modules: run this in the root of the repository", o.folder)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// build makes the modules in dir.
func build(ctx context.Context, o options, dir string, out io.Writer) error {
	cmd := exec.CommandContext(ctx, filepath.Join(o.folder, "build.sh"), append([]string{"-o", dir}, o.names...)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build: %w: scripts/toolchains.sh installs what is missing", err)
	}
	return nil
}

// compareExample compares one example's committed module with the one in dir.
func compareExample(ctx context.Context, host *plugins.Host, o options, dir, name string, out io.Writer) error {
	cases, err := fixture.ReadFile(filepath.Join(o.folder, name, "fixtures.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	committed, err := load(ctx, host, o.folder, name)
	if err != nil {
		return err
	}
	rebuilt, err := load(ctx, host, dir, name)
	if err != nil {
		return err
	}
	conflicts := conflictsLike(cases, o.runs, o.seed)
	if err := compare(ctx, committed, rebuilt, conflicts); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%-12s %d conflicts, the same verdicts; committed %d bytes, rebuilt %d\n",
		name, len(conflicts), committed.Info().Size, rebuilt.Info().Size)
	return err
}

func load(ctx context.Context, host *plugins.Host, folder, name string) (*plugins.Module, error) {
	module, err := examples.Read(os.DirFS(folder), name)
	if err != nil {
		return nil, err
	}
	return host.Load(ctx, module, plugins.Limits{})
}
