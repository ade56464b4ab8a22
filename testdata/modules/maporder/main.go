// Command maporder sets the order in which Go's maps happen to iterate, which Go makes random on purpose.
package main

import "github.com/kvnode/kvnode/plugins/sdk"

func init() { sdk.Handle(order) }

func main() {}

func order(c sdk.Conflict) sdk.Verdict {
	if string(c.Key) == "trap" {
		panic("the key is trap")
	}
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
