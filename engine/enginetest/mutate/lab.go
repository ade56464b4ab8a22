package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// errBuild says that a test does not compile.
var errBuild = errors.New("does not compile")

const (
	// plainCode compiles this module without inlining: building takes more than half of the time of a hunt, and a third less with this.
	plainCode = "-gcflags=./...=-l"
	// runLimit bounds one run of a test: a mutant may make it run for ever, which is a way to notice it.
	runLimit = "30s"
	// simBatch is how many histories package sim plays before the first look whether one has failed; each further batch is twice as long. Package
	// model ends with the first history that fails.
	simBatch = 2
)

// lab builds and runs tests of the module at root with some of its files replaced. Safe for concurrent use.
type lab struct {
	root, folder string
	made         atomic.Int64
}

// newLab makes room for what is built. The caller calls close.
func newLab(root string) (*lab, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find module: %w", err)
	}
	folder, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	return &lab{root: root, folder: folder}, nil
}

// close removes everything that was built. What cannot be removed lies in the folder for temporary files.
func (l *lab) close() { _ = os.RemoveAll(l.folder) }

// variant is the module with some files replaced, and the test programs that were built of it: by package with all tests of that, or by test.
type variant struct {
	lab      *lab
	folder   string
	replace  map[string]string
	programs map[string]program
}

// program is a test program. With drawsValues it has tests of package rapid, and knows a flag of that.
type program struct {
	path        string
	drawsValues bool
}

// variant prepares the module with the files replaced by these contents. The caller calls close.
func (l *lab) variant(files map[string]string) (*variant, error) {
	v := &variant{
		lab: l, folder: filepath.Join(l.folder, strconv.FormatInt(l.made.Add(1), 10)),
		replace: map[string]string{}, programs: map[string]program{},
	}
	if err := os.Mkdir(v.folder, 0o700); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	for file, text := range files {
		copied := filepath.Join(v.folder, strconv.Itoa(len(v.replace))+".go")
		if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("write source: %w", err)
		}
		v.replace[filepath.Join(l.root, file)] = copied
	}
	return v, nil
}

func (v *variant) close() { _ = os.RemoveAll(v.folder) }

// program returns a program that has the test, and builds it unless there is one. errBuild when that does not compile, errNoTest when nothing declares it.
func (v *variant) program(ctx context.Context, t test) (program, error) {
	one := t.pkg + " " + t.name
	for _, key := range []string{t.pkg, one} {
		if built, ok := v.programs[key]; ok {
			return built, nil
		}
	}
	without, err := superfluous(filepath.Join(v.lab.root, t.pkg), t.name)
	if err != nil {
		return program{}, fmt.Errorf("find what %s needs: %w", t, err)
	}
	if built, err := v.build(ctx, t.pkg, without); err == nil {
		v.programs[one] = built
		return built, nil
	}
	return v.whole(ctx, t.pkg)
}

// whole builds all tests of a package, once.
func (v *variant) whole(ctx context.Context, pkg string) (program, error) {
	if built, ok := v.programs[pkg]; ok {
		return built, nil
	}
	built, err := v.build(ctx, pkg, nil)
	if err == nil {
		v.programs[pkg] = built
	}
	return built, err
}

// build builds the tests of a package without some files.
func (v *variant) build(ctx context.Context, pkg string, without []string) (program, error) {
	overlay, err := v.overlay(without)
	if err != nil {
		return program{}, err
	}
	out := filepath.Join(v.folder, strconv.Itoa(len(v.programs))+".test")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlay, plainCode, "-ldflags=-s -w", "-o", out, pkg)
	cmd.Dir = v.lab.root
	cmd.Env = append(os.Environ(), "GOGC=off") // a compiler lives for seconds and needs less than 400 MB: collecting takes longer
	if said, err := cmd.CombinedOutput(); err != nil {
		return program{}, fmt.Errorf("%s %w: %w\n%s", pkg, errBuild, err, said)
	}
	return program{out, drawsValues(filepath.Join(v.lab.root, pkg), without)}, nil
}

// overlay writes down for the go command which files are replaced, and which are not there.
func (v *variant) overlay(without []string) (string, error) {
	replace := maps.Clone(v.replace)
	for _, file := range without {
		replace[file] = ""
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("encode overlay: %w", err)
	}
	path := filepath.Join(v.folder, "overlay.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	return path, nil
}

// finding is what one test says of a variant.
type finding struct {
	test    test
	noticed bool
	// history is the seed of the history that failed; 0 for a test that plays none.
	history int
	said    string
}

// try runs a test until it fails or has played all its histories.
func (v *variant) try(ctx context.Context, t test) (finding, error) {
	p, err := v.program(ctx, t)
	if err != nil {
		return finding{}, err
	}
	if t.histories == 0 {
		return v.runOnce(ctx, t, p, nil)
	}
	var f finding
	batch := t.histories
	if t.pkg == simPackage {
		batch = simBatch
	}
	for first := 1; first <= t.histories; first, batch = first+batch, 2*batch {
		count := min(batch, t.histories-first+1)
		if f, err = v.runOnce(ctx, t, p, seedFlags(t.pkg, first, count)); err != nil || f.noticed {
			return f, err
		}
	}
	return f, nil
}

// runOnce runs a test program once. On one processor, the histories follow one another.
func (v *variant) runOnce(ctx context.Context, t test, p program, flags []string) (finding, error) {
	args := append([]string{"-test.run=^" + t.name + "$", "-test.failfast", "-test.timeout=" + runLimit}, flags...)
	if p.drawsValues {
		args = append(args, "-rapid.nofailfile") // what a mutant fails with is of no use later
	}
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Dir = filepath.Join(v.lab.root, t.pkg)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	f := finding{test: t, noticed: err != nil, said: said.String()}
	switch _, failed := errors.AsType[*exec.ExitError](err); {
	case ctx.Err() != nil:
		return f, fmt.Errorf("run %s: %w", t, ctx.Err())
	case err != nil && !failed:
		return f, fmt.Errorf("run %s: %w", t, err)
	case strings.Contains(f.said, "no tests to run"), strings.Contains(f.said, "flag provided but not defined"):
		return f, fmt.Errorf("run %s: %w", t, errNoTest)
	case f.noticed && t.histories > 0:
		f.history = seedOf(f.said)
	}
	return f, nil
}

// drawsValues reports whether the folder has tests of package rapid beside those in some files.
func drawsValues(folder string, without []string) bool {
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	return err == nil && slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		return err == nil && bytes.Contains(text, []byte(`"pgregory.net/rapid"`)) && !slices.Contains(without, file)
	})
}

// errNoTest says that a mutant names a test that is not there.
var errNoTest = errors.New("no such test")

// The packages that play random histories.
const (
	modelPackage = "./engine/enginetest/model"
	simPackage   = "./engine/enginetest/sim"
)

// seedFlags are the flags with which a package plays count histories from the first seed on, nil for a package that plays none. Package model always
// begins with the first.
func seedFlags(pkg string, first, count int) []string {
	switch pkg {
	case modelPackage:
		return []string{"-histories=" + strconv.Itoa(count)}
	case simPackage:
		return []string{"-sim.first=" + strconv.Itoa(first), "-sim.histories=" + strconv.Itoa(count)}
	}
	return nil
}

// seedOf finds the seed in what a failed test says, 0 when there is none.
func seedOf(said string) int {
	found := regexp.MustCompile(`seed[ =](\d+)`).FindStringSubmatch(said)
	if found == nil {
		return 0
	}
	seed, err := strconv.Atoi(found[1])
	if err != nil {
		return 0
	}
	return seed
}
