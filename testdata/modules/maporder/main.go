// Command maporder sets the order in which Go's maps happen to iterate, which Go makes random on purpose.
package main

import (
	"syscall"

	"github.com/kvnode/kvnode/plugins/sdk"
)

func init() { sdk.Handle(order) }

func main() {}

func order(c sdk.Conflict) sdk.Verdict {
	end(string(c.Key))
	letters := map[byte]bool{}
	for b := byte('a'); b <= 'z'; b++ {
		letters[b] = true
	}
	var out []byte
	for b := range letters {
		out = append(out, b)
	}
	return sdk.Set(out)
}

// end traps in the way that the key says.
func end(key string) {
	switch key {
	case "trap":
		panic("the key is trap")
	case "noisy":
		println("parsing 2 versions")
		panic("the key is noisy")
	case "rust":
		println("parsing 2 versions")
		println("thread 'main' panicked at src/lib.rs:3:5:")
		println("no such item")
		println("note: run with RUST_BACKTRACE=1")
		syscall.Exit(2)
	case "exit":
		println("parsing 2 versions")
		println("over")
		syscall.Exit(3)
	case "hoard":
		println("parsing 2 versions")
		var all [][]byte
		for len(all) >= 0 {
			all = append(all, make([]byte, 1<<20))
		}
	}
}
