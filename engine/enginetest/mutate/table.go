package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Errors of a table.
var (
	errSyntax = errors.New("not a table of mutants")
	errStale  = errors.New("the old text is not in the file exactly once")
)

// mutant is one wrong variant of the source.
type mutant struct {
	name string
	// rule is what the variant breaks.
	rule  string
	edits []edit
	// tests must fail, each of them.
	tests []test
}

// edit replaces lines of a file. Old and new are whole lines, without the last line feed.
type edit struct {
	file, old, new string
}

// test is what has to notice a mutant.
type test struct {
	pkg string
	// name is the test function.
	name string
	// histories is how many random histories may be played until one notices; 0 for a test of behaviour, which plays none.
	histories int
}

// String names the test for people.
func (t test) String() string {
	if t.histories == 0 {
		return t.name
	}
	return filepath.Base(t.pkg) + " " + t.name
}

// readTables reads all tables of a folder, in the order of their names. Names of mutants are unique.
func readTables(folder string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no tables in %s: %w", folder, errors.Join(err, os.ErrNotExist))
	}
	var all []mutant
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read table: %w", err)
		}
		some, err := parseTable(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, some...)
	}
	seen := map[string]bool{}
	for _, m := range all {
		if seen[m.name] {
			return nil, fmt.Errorf("%w: two mutants are called %q", errSyntax, m.name)
		}
		seen[m.name] = true
	}
	return all, nil
}

// parseTable reads one table: comments (#), blank lines, and for each mutant
//
//	mutant NAME
//	rule   WHAT IT BREAKS
//	test   PACKAGE TEST [HISTORIES]
//	edit   FILE
//
// After an edit stand the lines that are replaced, as a patch has them: "-" before lines that go, "+" before lines that come, a space before lines
// that stay and only say where.
func parseTable(text string) ([]mutant, error) {
	var p parser
	for i, line := range strings.Split(text, "\n") {
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if err := p.endMutant(); err != nil {
		return nil, err
	}
	return p.out, nil
}

// parser is a table that is being read.
type parser struct {
	out      []mutant
	m        *mutant
	inEdit   bool
	old, new []string
}

func (p *parser) line(line string) error {
	if p.inEdit && line != "" && strings.Contains(" -+", line[:1]) {
		p.patchLine(line)
		return nil
	}
	p.endEdit()
	keyword, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case line == "", strings.HasPrefix(line, "#"):
		return nil
	case keyword == "mutant":
		err := p.endMutant()
		p.m = &mutant{name: rest}
		return err
	case p.m == nil:
		return fmt.Errorf("%w: %q before the first mutant", errSyntax, line)
	}
	return p.field(keyword, rest)
}

func (p *parser) patchLine(line string) {
	if line[0] != '+' {
		p.old = append(p.old, line[1:])
	}
	if line[0] != '-' {
		p.new = append(p.new, line[1:])
	}
}

func (p *parser) field(keyword, rest string) (err error) {
	switch keyword {
	case "rule":
		p.m.rule = rest
	case "test":
		var t test
		if t, err = parseTest(strings.Fields(rest)); err == nil {
			p.m.tests = append(p.m.tests, t)
		}
	case "edit":
		p.inEdit = true
		p.m.edits = append(p.m.edits, edit{file: rest})
	default:
		err = fmt.Errorf("%w: unknown word %q", errSyntax, keyword)
	}
	return err
}

func parseTest(words []string) (test, error) {
	if len(words) < 2 || len(words) > 3 {
		return test{}, fmt.Errorf("%w: a test is a package, a name, and for histories their number", errSyntax)
	}
	t := test{pkg: words[0], name: words[1]}
	if len(words) == 2 {
		return t, nil
	}
	var err error
	if t.histories, err = strconv.Atoi(words[2]); err != nil || t.histories <= 0 || seedFlags(t.pkg, 1, 1) == nil {
		return test{}, fmt.Errorf("%w: %q histories of %s", errSyntax, words[2], t.pkg)
	}
	return t, nil
}

func (p *parser) endEdit() {
	if p.inEdit {
		e := &p.m.edits[len(p.m.edits)-1]
		e.old, e.new = strings.Join(p.old, "\n"), strings.Join(p.new, "\n")
	}
	p.inEdit, p.old, p.new = false, nil, nil
}

func (p *parser) endMutant() error {
	p.endEdit()
	m := p.m
	p.m = nil
	isIdle := func(e edit) bool { return e.old == e.new || e.old == "" }
	switch {
	case m == nil:
		return nil
	case m.name == "", m.rule == "", len(m.tests) == 0, len(m.edits) == 0, slices.ContainsFunc(m.edits, isIdle):
		return fmt.Errorf("%w: mutant %q lacks a rule, a test, or an edit that replaces something", errSyntax, m.name)
	}
	p.out = append(p.out, *m)
	return nil
}

// mutate returns the changed contents of the files that the mutant concerns, by their paths from root. errStale when an old text is not there, or there
// twice.
func (m mutant) mutate(root string) (map[string]string, error) {
	out := map[string]string{}
	for _, e := range m.edits {
		text, ok := out[e.file]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return nil, fmt.Errorf("read source: %w", err)
			}
			text = string(b)
		}
		lines, old := "\n"+text, "\n"+e.old+"\n"
		if at := strings.Index(lines, old); at < 0 || at != strings.LastIndex(lines, old) {
			return nil, fmt.Errorf("%s: %w:\n%s", e.file, errStale, e.old)
		}
		comes := "\n"
		if e.new != "" {
			comes += e.new + "\n"
		}
		out[e.file] = strings.Replace(lines, old, comes, 1)[1:]
	}
	return out, nil
}
