//go:build !wasip1

package sdk

import "embed"

// Sources are the files of the SDKs in all languages, and of this package, that a handler is built from: what a new project takes along. No
// module has them.
//
//go:embed LICENSE build.sh guest.go native.go sdk.go
//go:embed assemblyscript/README.md assemblyscript/*.sh assemblyscript/*.ts
//go:embed c/README.md c/*.h c/*.hpp c/*.sh
//go:embed javascript/NOTICE javascript/README.md javascript/adapter.wat javascript/package.json javascript/*.sh
//go:embed javascript/build.mjs javascript/kvnode.js javascript/testing.mjs
//go:embed rust/Cargo.toml rust/README.md rust/*.sh rust/src
//go:embed wat/README.md
//go:embed zig/README.md zig/*.sh zig/*.zig
var Sources embed.FS
