package project

import "errors"

// Errors about what is asked for. Their texts say what to change.
var (
	// ErrName refuses a name that a node would not take, or that is the SDK's.
	ErrName = errors.New("bad name of a handler: use 1 to 128 letters, digits, '-', '_' or '.', starting with a letter or digit, and not 'kvnode'")
	// ErrLanguage refuses a language for which there is no SDK.
	ErrLanguage = errors.New("unknown language")
	// ErrNotEmpty refuses to write a project where something is already.
	ErrNotEmpty = errors.New("the directory is not empty: choose another one")
	// ErrManifest refuses a directory without a kvnode.json that this package could have written.
	ErrManifest = errors.New("no project of a handler: make one with 'kvnode plugin new'")
)

// Errors of building. What the tools had to say stands in the build's output.
var (
	// ErrTool means that a tool of the language is missing here.
	ErrTool = errors.New("a tool is missing")
	// ErrBuild means that the tools refused the sources.
	ErrBuild = errors.New("the build failed")
)
