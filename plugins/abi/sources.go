//go:build !wasip1

package abi

import "embed"

// Sources are the files of this package that the Go SDK is built from, for whoever copies it. No module has them.
//
//go:embed abi.go errors.go frame.go output.go
var Sources embed.FS
