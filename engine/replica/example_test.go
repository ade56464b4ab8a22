package replica_test

import (
	"fmt"

	"github.com/kvnode/kvnode/clock"
	"github.com/kvnode/kvnode/engine/replica"
)

// Two nodes write the same key without having heard of each other. Both versions stand until somebody who has seen both writes again.
func Example() {
	left := replica.New(clock.ActorFrom([clock.ActorSize]byte{0xaa}), replica.Options{})
	right := replica.New(clock.ActorFrom([clock.ActorSize]byte{0xbb}), replica.Options{})
	exchange := func() {
		for _, r := range [][2]*replica.Replica{{left, right}, {right, left}} {
			delta, _ := r[0].Drain(1 << 20)
			if _, err := r[1].Receive(delta); err != nil {
				fmt.Println(err)
			}
		}
	}
	show := func(what string) {
		for _, v := range right.Get("cart") {
			fmt.Printf("%s: %v is %q\n", what, v.Dot, v.Value)
		}
	}

	for _, w := range []struct {
		at    *replica.Replica
		value string
	}{{left, "apples"}, {right, "pears"}} {
		if _, err := w.at.Write(replica.Write{Key: "cart", Value: []byte(w.value)}); err != nil {
			fmt.Println(err)
		}
	}
	exchange()
	show("concurrent")

	if _, err := left.Write(replica.Write{Key: "cart", Value: []byte("apples and pears"), Context: left.Context("cart")}); err != nil {
		fmt.Println(err)
	}
	exchange()
	show("settled")
	// Output:
	// concurrent: aa000000:1 is "apples"
	// concurrent: bb000000:1 is "pears"
	// settled: aa000000:2 is "apples and pears"
}
