package project_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/check"
	"github.com/kvnode/kvnode/plugins/fixture"
	"github.com/kvnode/kvnode/plugins/project"
)

// create makes a project named fruit.
func create(t *testing.T, lang string) project.Project {
	t.Helper()
	p, _, err := project.Create(filepath.Join(t.TempDir(), "fruit"), "fruit", lang)
	require.NoError(t, err)
	return p
}

func read(t *testing.T, elements ...string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(elements...))
	require.NoError(t, err)
	return string(raw)
}

func TestAProjectOfAnyLanguageIsWhatItsManifestSays(t *testing.T) {
	for _, lang := range project.Languages() {
		t.Run(lang, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a", "b")
			p, files, err := project.Create(dir, "fruit-2", lang)
			require.NoError(t, err)
			require.Equal(t, filepath.Join(dir, "fruit-2.wasm"), p.Module())
			opened, err := project.Open(dir)
			require.NoError(t, err)
			require.Equal(t, p, opened)
			require.Subset(t, files, []string{".gitignore", "README.md", "fixtures.json", "kvnode.json", p.Source})
			for _, file := range files {
				text := read(t, dir, file)
				require.NotRegexp(t, `\{\{|NAME|\.tmpl`, text, file)
			}
		})
	}
}

func TestTheFixturesOfAProjectHaveADeleteAndABase(t *testing.T) {
	for _, lang := range project.Languages() {
		cases, err := fixture.ReadFile(filepath.Join(create(t, lang).Dir, "fixtures.json"))
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(cases), 3)
		var deletes, bases int
		for _, c := range cases {
			require.NotNil(t, c.Want, c.Name)
			if c.Base != nil {
				bases++
			}
			for _, v := range c.Versions {
				if v.Deleted {
					deletes++
				}
			}
		}
		require.Positive(t, deletes, lang)
		require.Positive(t, bases, lang)
	}
}

// TestWhatTheReadmeOfAProjectNamesIsThere looks for every file of the SDK's copy that the page links or runs.
func TestWhatTheReadmeOfAProjectNamesIsThere(t *testing.T) {
	named := regexp.MustCompile("(?:\\(|`|^)(kvnode/[\\w./-]+)")
	for _, lang := range project.Languages() {
		dir := create(t, lang).Dir
		for _, match := range named.FindAllStringSubmatch(read(t, dir, "README.md"), -1) {
			info, err := os.Stat(filepath.Join(dir, match[1]))
			require.NoError(t, err, lang)
			require.Equal(t, strings.HasSuffix(match[1], ".sh"), info.Mode()&0o111 != 0 && !info.IsDir(), match[1])
		}
	}
}

func TestTheSDKIsCopiedWithTheLicenseOfTheRepository(t *testing.T) {
	require.Equal(t, read(t, "..", "..", "LICENSE"), read(t, create(t, "wat").Dir, "kvnode", "LICENSE"))
}

func TestCreateTakesTheNamesThatANodeTakes(t *testing.T) {
	for _, name := range []string{"Fruit", "2fruit", "fruit.c", "f", "a-b_c.D", "kvnode2", strings.Repeat("f", 128)} {
		p, _, err := project.Create(filepath.Join(t.TempDir(), "p"), name, "rust")
		require.NoError(t, err, name)
		opened, err := project.Open(p.Dir)
		require.NoError(t, err, name)
		require.Equal(t, p, opened)
	}
}

func TestCreateRefusesNamesThatANodeWouldNotTake(t *testing.T) {
	for _, name := range []string{"", "kvnode", "-fruit", "_fruit", "fruit/x", "..", "früchte", "fru it", strings.Repeat("f", 129)} {
		dir := filepath.Join(t.TempDir(), "p")
		_, _, err := project.Create(dir, name, "go")
		require.ErrorIs(t, err, project.ErrName, name)
		require.NoDirExists(t, dir)
	}
}

func TestCreateListsTheLanguagesWhenItDoesNotKnowOne(t *testing.T) {
	_, _, err := project.Create(t.TempDir(), "fruit", "cobol")
	require.ErrorIs(t, err, project.ErrLanguage)
	for _, lang := range project.Languages() {
		require.ErrorContains(t, err, lang)
	}
}

func TestCreateWritesOnlyWhereNothingIs(t *testing.T) {
	dir := t.TempDir()
	_, _, err := project.Create(dir, "fruit", "c")
	require.NoError(t, err, "an empty folder will do")
	_, _, err = project.Create(dir, "fruit", "go")
	require.ErrorIs(t, err, project.ErrNotEmpty)
	require.NoFileExists(t, filepath.Join(dir, "main.go"))
	_, _, err = project.Create(filepath.Join(dir, "fruit.c"), "fruit", "go")
	require.Error(t, err)
}

func TestOpenRefusesWhatIsNoManifest(t *testing.T) {
	for _, manifest := range []string{
		``, `{"name":"fruit","lang":"c","source":"fruit.c","compiler":"tcc"}`, `{"name":"../fruit","lang":"c","source":"fruit.c"}`,
		`{"name":"fruit","lang":"cobol","source":"fruit.c"}`, `{"name":"fruit","lang":"c","source":"../fruit.c"}`, `{"name":"fruit","lang":"c"}`,
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "kvnode.json"), []byte(manifest), 0o600))
		_, err := project.Open(dir)
		require.ErrorIs(t, err, project.ErrManifest, manifest)
	}
	_, err := project.Open(t.TempDir())
	require.ErrorIs(t, err, project.ErrManifest)
	require.ErrorContains(t, err, "kvnode plugin new")
}

func TestBuildMakesAModuleThatDecidesAsTheFixturesSayAndBreaksNoLaw(t *testing.T) {
	p := create(t, "go")
	var said bytes.Buffer
	require.NoError(t, p.Build(t.Context(), &said))
	require.Empty(t, said.String())
	cases, err := fixture.ReadFile(filepath.Join(p.Dir, "fixtures.json"))
	require.NoError(t, err)
	host, err := plugins.NewHost(plugins.Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, host.Close(context.WithoutCancel(t.Context()))) }()
	m, err := host.Load(t.Context(), []byte(read(t, p.Module())), plugins.Limits{})
	require.NoError(t, err)
	results, err := fixture.Run(t.Context(), m, cases)
	require.NoError(t, err)
	for _, r := range results {
		require.True(t, r.Passed, "%s: %s %s", r.Case, r.Difference, r.Trap)
	}
	report, err := check.Run(t.Context(), []byte(read(t, p.Module())), check.Config{Runs: 20, Fixtures: cases})
	require.NoError(t, err)
	require.Empty(t, report.Broken(), report.Laws)
}

func TestTheTestOfAGoProjectPasses(t *testing.T) {
	p := create(t, "go")
	for _, args := range [][]string{{"vet", "./..."}, {"test", "."}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = p.Dir
		said, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
}

func TestBuildShowsWhatTheToolsSay(t *testing.T) {
	p := create(t, "go")
	require.NoError(t, os.WriteFile(filepath.Join(p.Dir, "main.go"), []byte("package main\n\nfunc main() { merge }\n"), 0o600))
	var said bytes.Buffer
	require.ErrorIs(t, p.Build(t.Context(), &said), project.ErrBuild)
	require.Contains(t, said.String(), "main.go:3:15: undefined: merge")
}

func TestBuildSaysWhatToInstall(t *testing.T) {
	p := create(t, "c")
	t.Setenv("CLANG", filepath.Join(t.TempDir(), "clang"))
	err := p.Build(t.Context(), new(bytes.Buffer))
	require.ErrorIs(t, err, project.ErrTool)
	require.ErrorContains(t, err, "apt-get install clang lld")
	t.Setenv("PATH", t.TempDir())
	require.ErrorIs(t, p.Build(t.Context(), new(bytes.Buffer)), project.ErrTool, "there is no shell")
}

func TestBuildEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, create(t, "c").Build(ctx, new(bytes.Buffer)), context.Canceled)
}

func TestARustcWithoutTheTargetIsToldHowToGetIt(t *testing.T) {
	rustc := filepath.Join(t.TempDir(), "rustc")
	require.NoError(t, os.WriteFile(rustc, []byte("#!/bin/sh\nexit 1\n"), 0o700))
	t.Setenv("RUSTC", rustc)
	var said bytes.Buffer
	if err := create(t, "rust").Build(t.Context(), &said); err == nil {
		require.Contains(t, said.String(), rustc+" lacks the target wasm32-unknown-unknown, and ")
	}
	require.Contains(t, said.String(), "rustup target add wasm32-unknown-unknown")
}
