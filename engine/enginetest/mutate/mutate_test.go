package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// parse reads a table with one mutant.
func parse(t *testing.T, text string) mutant {
	t.Helper()
	ms, err := parseTable(text)
	require.NoError(t, err)
	require.Len(t, ms, 1)
	return ms[0]
}

const oneMutant = `# A comment.

mutant two is three
rule   Two is two.
test   ./some/pkg TestTwo
test   ./engine/enginetest/sim TestHistories 30
edit   a.go
 func two() int {
-	return 2
+	return 3
 }
`

func TestTableSaysWhatIsChangedAndWhatMustNotice(t *testing.T) {
	require.Equal(t, mutant{
		name: "two is three", rule: "Two is two.",
		tests: []test{{pkg: "./some/pkg", name: "TestTwo"}, {pkg: "./engine/enginetest/sim", name: "TestHistories", histories: 30}},
		edits: []edit{{file: "a.go", old: "func two() int {\n\treturn 2\n}", new: "func two() int {\n\treturn 3\n}"}},
	}, parse(t, oneMutant))
}

func TestTableThatSaysTooLittleIsRefused(t *testing.T) {
	for _, text := range []string{
		"rule before a mutant",
		"mutant m\nrule r\ntest ./p T\n",
		"mutant m\nrule r\nedit f\n-a\n+b\n",
		"mutant m\ntest ./p T\nedit f\n-a\n+b\n",
		"mutant m\nrule r\ntest ./p T\nedit f\n a\n",
		"mutant m\nrule r\ntest ./p T\nedit f\n+a\n",
		"mutant m\nrule r\ntest ./p T 10\nedit f\n-a\n",
		"mutant m\nwhat r\n",
	} {
		_, err := parseTable(text)
		require.ErrorIs(t, err, errSyntax, text)
	}
}

func TestOldTextMustBeThereExactlyOnce(t *testing.T) {
	root := t.TempDir()
	m := parse(t, oneMutant)
	for source, want := range map[string]string{
		"package a\n\nfunc two() int {\n\treturn 2\n}\n":                     "package a\n\nfunc two() int {\n\treturn 3\n}\n",
		"func two() int {\n\treturn 4\n}\n":                                  "",
		"func two() int {\n\treturn 2\n}\nfunc two() int {\n\treturn 2\n}\n": "",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(root, "a.go"), []byte(source), 0o600))
		files, err := m.mutate(root)
		if want == "" {
			require.ErrorIs(t, err, errStale)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, map[string]string{"a.go": want}, files)
	}
}

// TestHuntTellsMutantsApart hunts in a small module of its own.
func TestHuntTellsMutantsApart(t *testing.T) {
	root := t.TempDir()
	for file, text := range map[string]string{
		"go.mod": "module small\n\ngo 1.26\n",
		"a.go":   "package small\n\nfunc two() int {\n\treturn 2\n}\n",
		"a_test.go": "package small\n\nimport \"testing\"\n\nfunc TestTwo(t *testing.T) {\n\tif two() != 2 {\n\t\tt.Fatal(\"not two\")\n\t}\n}\n\n" +
			"func TestAny(*testing.T) {}\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(root, file), []byte(text), 0o600))
	}
	l, err := newLab(root)
	require.NoError(t, err)
	defer l.close()
	h := hunt{lab: l}
	two := test{pkg: ".", name: "TestTwo"}
	require.NoError(t, h.checkTests(t.Context(), []mutant{{tests: []test{two}}}))
	require.ErrorIs(t, h.checkTests(t.Context(), []mutant{{tests: []test{{pkg: ".", name: "TestThree"}}}}), errNoTest)

	becomesThree := []edit{{file: "a.go", old: "\treturn 2", new: "\treturn 3"}}
	blind := test{pkg: ".", name: "TestAny"}
	for _, tests := range [][]test{{two, blind}, {blind, two}} {
		m := mutant{tests: tests, edits: becomesThree}
		require.True(t, h.chase(t.Context(), m).caught, "by one of them")
		strict := hunt{lab: l, all: true}
		require.False(t, strict.chase(t.Context(), m).caught, "not by all of them")
	}
	require.Len(t, h.chase(t.Context(), mutant{tests: []test{two, blind}, edits: becomesThree}).findings, 1, "the first that notices is enough")

	chase := func(old, becomes string) outcome {
		return h.chase(t.Context(), mutant{tests: []test{two}, edits: []edit{{file: "a.go", old: old, new: becomes}}})
	}
	require.True(t, chase("\treturn 2", "\treturn 3").caught)
	survivor := chase("\treturn 2", "\treturn 1 + 1")
	require.NoError(t, survivor.err)
	require.False(t, survivor.caught)
	require.ErrorIs(t, chase("\treturn 2", "\treturn").err, errBuild)
	require.ErrorIs(t, chase("\treturn 4", "\treturn 2").err, errStale)
}

func TestTestIsBuiltWithTheFilesThatItNeeds(t *testing.T) {
	root := t.TempDir()
	for file, text := range map[string]string{
		"main_test.go":    "package p_test\nfunc TestMain(*testing.M) {}",
		"wanted_test.go":  "package p_test\nfunc TestWanted(t *testing.T) { help(t).do(p.Exported) }",
		"help_test.go":    "package p_test\nfunc help(*testing.T) kit { return kit{} }\ntype kit struct{}",
		"method_test.go":  "package p_test\nfunc (*kit) do(any) {}",
		"export_test.go":  "package p\nvar Exported = inner()",
		"inner_test.go":   "package p\nfunc inner() int { return 1 }",
		"other_test.go":   "package p_test\nfunc TestOther(t *testing.T) { help(t) }",
		"outside_test.go": "package p_test\nfunc inner() {}",
		"hidden_test.go":  "package p\nfunc help() {}",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(root, file), []byte(text), 0o600))
	}
	without, err := superfluous(root, "TestWanted")
	require.NoError(t, err)
	want := []string{filepath.Join(root, "hidden_test.go"), filepath.Join(root, "other_test.go"), filepath.Join(root, "outside_test.go")}
	require.Equal(t, want, without)
	_, err = superfluous(root, "TestMissing")
	require.ErrorIs(t, err, errNoTest)
}

// TestTablesFitTheSource says at once when a change of the source leaves a mutant behind.
func TestTablesFitTheSource(t *testing.T) {
	const root = "../../.."
	all, err := readTables("testdata")
	require.NoError(t, err)
	for _, m := range all {
		_, err := m.mutate(root)
		require.NoError(t, err, m.name)
	}
}
