// Package abitest tells the author of an SDK whether modules built with it speak the whole contract of package abi. It
// drives one module, the probe, through the host that a node has, and compares every answer; README.md says what a probe
// does.
package abitest
