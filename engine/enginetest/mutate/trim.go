package main

import (
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"path/filepath"
	"slices"
)

// testFile is what a file of tests declares and mentions, by name.
type testFile struct {
	path, pkg string
	declares  map[string]bool
	mentions  map[string]bool
	selects   map[string]bool // mentioned behind a dot
	hasMain   bool
}

// superfluous lists the test files of a folder without which a test should build: compiling all tests takes as long as compiling what they test. It goes
// by names alone, and so leaves out less than it could; where it leaves out too much the test does not build.
func superfluous(folder, name string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		return nil, fmt.Errorf("list tests: %w", err)
	}
	var files []*testFile
	for _, path := range paths {
		f, err := readTestFile(path)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	if !slices.ContainsFunc(files, func(f *testFile) bool { return f.declares[name] }) {
		return nil, errNoTest
	}
	needed := closure(files, name)
	var out []string
	for _, f := range files {
		if !needed[f] {
			out = append(out, f.path)
		}
	}
	return out, nil
}

// closure returns the files that the test and what it needs are in.
func closure(files []*testFile, name string) map[*testFile]bool {
	needed := map[*testFile]bool{}
	var need func(f *testFile)
	need = func(f *testFile) {
		if needed[f] {
			return
		}
		needed[f] = true
		for _, other := range files {
			if f.uses(other) {
				need(other)
			}
		}
	}
	for _, f := range files {
		if f.hasMain || f.declares[name] {
			need(f)
		}
	}
	return needed
}

// uses reports whether the file may need another one: of its own package, or, for tests from outside of the package, what is exported to them.
func (f *testFile) uses(other *testFile) bool {
	mentions := f.mentions
	if f.pkg != other.pkg {
		mentions = f.selects
	}
	for name := range other.declares {
		if mentions[name] && (f.pkg == other.pkg || ast.IsExported(name)) {
			return true
		}
	}
	return false
}

func readTestFile(path string) (*testFile, error) {
	parsed, err := goparser.ParseFile(token.NewFileSet(), path, nil, goparser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("read tests: %w", err)
	}
	f := &testFile{path: path, pkg: parsed.Name.Name, declares: map[string]bool{}, mentions: map[string]bool{}, selects: map[string]bool{}}
	for _, d := range parsed.Decls {
		f.declare(d)
		ast.Inspect(d, f.mention)
	}
	return f, nil
}

func (f *testFile) mention(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.Ident:
		f.mentions[n.Name] = true
	case *ast.SelectorExpr:
		f.selects[n.Sel.Name] = true
		ast.Inspect(n.X, f.mention)
		return false
	}
	return true
}

// declare notes the names of a declaration; of a method, that of its receiver's type, whoever uses that needs the method.
func (f *testFile) declare(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		f.declareFunc(d)
	case *ast.GenDecl:
		for _, s := range d.Specs {
			f.declareSpec(s)
		}
	}
	delete(f.declares, "_")
}

func (f *testFile) declareFunc(d *ast.FuncDecl) {
	if d.Recv == nil {
		f.hasMain = f.hasMain || d.Name.Name == "TestMain"
		f.declares[d.Name.Name] = true
		return
	}
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			f.declares[id.Name] = true
		}
		return true
	})
}

func (f *testFile) declareSpec(s ast.Spec) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		f.declares[s.Name.Name] = true
	case *ast.ValueSpec:
		for _, id := range s.Names {
			f.declares[id.Name] = true
		}
	}
}
