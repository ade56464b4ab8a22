package project

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/kvnode/kvnode/plugins/abi"
	"github.com/kvnode/kvnode/plugins/sdk"
)

//go:embed all:templates
var templates embed.FS

// sdkFolder is where a project has its copy of the SDK, laid out as the folder plugins/sdk of this repository. Handlers in Go have the whole
// module there, as far as they need it.
const sdkFolder = "kvnode"

// Create writes a new project into a folder, which it makes, and returns it with the files that are the author's, relative to the folder and in
// order; the SDK's are not among them. It returns ErrName, ErrLanguage, ErrNotEmpty, or an error of the file system. When it fails midway, what
// it wrote stays.
func Create(dir, name, lang string) (Project, []string, error) {
	if err := checkName(name); err != nil {
		return Project{}, nil, err
	}
	l, err := languageOf(lang, name)
	if err != nil {
		return Project{}, nil, err
	}
	p := Project{Dir: dir, Name: name, Lang: lang, Source: l.source}
	files, err := p.files(l)
	if err != nil {
		return p, nil, err
	}
	if err := makeEmpty(dir); err != nil {
		return p, nil, err
	}
	var authors []string
	for file, content := range files {
		if err := write(filepath.Join(dir, filepath.FromSlash(file)), content); err != nil {
			return p, nil, err
		}
		if !strings.HasPrefix(file, sdkFolder+"/") {
			authors = append(authors, file)
		}
	}
	slices.Sort(authors)
	return p, authors, nil
}

// makeEmpty makes the folder, or refuses it when there is something in it.
func makeEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return os.MkdirAll(dir, 0o755)
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%w: %s", ErrNotEmpty, dir)
	}
	return nil
}

// write writes one file, and makes scripts executable.
func write(file string, content []byte) error {
	mode := fs.FileMode(0o644)
	if path.Ext(file) == ".sh" {
		mode = 0o755
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, content, mode)
}

// files are all files of the project, by their paths with slashes.
func (p Project) files(l language) (map[string][]byte, error) {
	manifest, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{manifestFile: append(manifest, '\n')}
	for _, folder := range append([]string{"common"}, l.templates...) {
		if err := p.expand(l, path.Join("templates", folder), files); err != nil {
			return nil, err
		}
	}
	return files, copySDK(l, files)
}

// page is what the templates can speak of.
type page struct {
	Name, Title, What, Source, Module, Test, Guide, Needs, Breaks string
	Ignore                                                        []string
}

// expand adds the files of a folder of templates.
func (p Project) expand(l language, folder string, files map[string][]byte) error {
	content := page{p.Name, l.title, l.what, p.Source, p.module(), l.test, l.guide, l.needs, l.breaks, l.ignore}
	return fs.WalkDir(templates, folder, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := templates.ReadFile(file)
		if err != nil {
			return err
		}
		target := strings.ReplaceAll(strings.TrimPrefix(file, folder+"/"), "NAME", p.Name)
		target, isTemplate := strings.CutSuffix(target, ".tmpl")
		if !isTemplate {
			files[target] = raw
			return nil
		}
		t, err := template.New(file).Option("missingkey=error").Parse(string(raw))
		if err != nil {
			return err
		}
		var out bytes.Buffer
		err = t.Execute(&out, content)
		files[strings.Replace(target, "gitignore", ".gitignore", 1)] = out.Bytes()
		return err
	})
}

// copySDK adds the parts of the SDK that the language needs.
func copySDK(l language, files map[string][]byte) error {
	for _, part := range append([]string{"LICENSE", "build.sh"}, l.sdk...) {
		if err := copyFiles(sdk.Sources, part, sdkFolder, files); err != nil {
			return err
		}
	}
	if l.name != "go" {
		return nil
	}
	for _, part := range []string{"guest.go", "native.go", "sdk.go"} {
		if err := copyFiles(sdk.Sources, part, sdkFolder+"/plugins/sdk", files); err != nil {
			return err
		}
	}
	return copyFiles(abi.Sources, ".", sdkFolder+"/plugins/abi", files)
}

// copyFiles adds a file, or all files of a folder, below target.
func copyFiles(from fs.FS, part, target string, files map[string][]byte) error {
	return fs.WalkDir(from, part, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[path.Join(target, file)], err = fs.ReadFile(from, file)
		return err
	})
}
