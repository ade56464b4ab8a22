// Command gonewest is the smallest handler in Go: the newest version wins.
package main

import "github.com/kvnode/kvnode/plugins/sdk"

func init() { sdk.Handle(newest) }

func main() {}

func newest(c sdk.Conflict) sdk.Verdict { return sdk.Pick(len(c.Versions) - 1) }
