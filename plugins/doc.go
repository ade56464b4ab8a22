// Package plugins runs the conflict handlers of strangers: WebAssembly modules, in a sandbox that reaches nothing.
//
// A Host checks and compiles modules, a Module resolves conflicts. Before a module is compiled it is rewritten, so that
// its fuel, its stack and its NaN bits are counted and the same on every node: the same input gives the same verdict and
// the same fuel everywhere, and time is bounded by fuel alone, never by a clock. After each call the instance that ran it
// is put back into the state that it had after initialisation, so that nothing leaks from one call into the next.
//
// The byte contract between host and module is package abi; what a handler written in Go links is package sdk.
package plugins
