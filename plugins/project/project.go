// Package project makes new handlers: a folder with a handler that works, its tests, and a copy of the SDK, so that nothing has to be downloaded.
// It builds them with the tools of their language, by the script that the SDK brings along.
package project

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// manifestFile is the file that makes a folder a project.
const manifestFile = "kvnode.json"

// maxName is how long a name may be.
const maxName = 128

// Project is a folder in which a handler is written. Its fields, but for Dir, are what kvnode.json says.
type Project struct {
	// Dir is the folder.
	Dir string `json:"-"`
	// Name is the name of the handler, of its module and of the table that finds it unasked.
	Name string `json:"name"`
	// Lang is one of Languages.
	Lang string `json:"lang"`
	// Source is the file that is built, relative to Dir.
	Source string `json:"source"`
}

// Open reads the project in a folder. It returns an ErrManifest that says what is wrong.
func Open(dir string) (Project, error) {
	p := Project{Dir: dir}
	raw, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return p, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("%w: %s: %w", ErrManifest, manifestFile, err)
	}
	if err := checkName(p.Name); err != nil {
		return p, fmt.Errorf("%w: %s: %w", ErrManifest, manifestFile, err)
	}
	if _, err := languageOf(p.Lang, p.Name); err != nil {
		return p, fmt.Errorf("%w: %s: %w", ErrManifest, manifestFile, err)
	}
	if !filepath.IsLocal(filepath.FromSlash(p.Source)) {
		return p, fmt.Errorf("%w: %s: the source %q is not in the project", ErrManifest, manifestFile, p.Source)
	}
	return p, nil
}

// Module is the path of the module that Build makes.
func (p Project) Module() string { return filepath.Join(p.Dir, p.module()) }

func (p Project) module() string { return p.Name + ".wasm" }

// checkName accepts what a node accepts, but for the name of the SDK's folder and package.
func checkName(name string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	rest := strings.Trim(name, letters+"-_.")
	if name == "" || len(name) > maxName || rest != "" || !strings.Contains(letters, name[:1]) || name == sdkFolder {
		return fmt.Errorf("%w: %q", ErrName, name)
	}
	return nil
}
