// Package main is a guest for the tests of package meter: a Go reactor with floats, maps, allocation and recursion.
package main

import (
	"encoding/json"
	"math"
	"sort"
	"strings"
)

func main() {}

// fib recurses 2^n times.
//
//go:wasmexport fib
func fib(n uint32) uint32 {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

// words sorts and joins words that it decodes from JSON and keeps in a map.
//
//go:wasmexport words
func words(n uint32) uint32 {
	list := make([]string, 0, n)
	seen := map[string]int{}
	for i := range n {
		w := strings.Repeat(string(rune('a'+i%26)), int(i%7)+1)
		seen[w]++
		list = append(list, w)
	}
	text, err := json.Marshal(list)
	if err != nil {
		return 0
	}
	var back []string
	if err := json.Unmarshal(text, &back); err != nil {
		return 0
	}
	sort.Strings(back)
	return uint32(len(strings.Join(back, ",")))*1000 + uint32(len(seen))
}

// norm is all floating point.
//
//go:wasmexport norm
func norm(n uint32) float64 {
	sum := 0.0
	for i := range n {
		x := math.Sin(float64(i)) * math.Sqrt(float64(i+1))
		sum += x * x / (1 + x)
	}
	return sum
}

// spin never returns.
//
//go:wasmexport spin
func spin() {
	for {
	}
}
