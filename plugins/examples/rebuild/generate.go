package main

import (
	"bytes"
	"math/rand/v2"

	"github.com/kvnode/kvnode/plugins"
	"github.com/kvnode/kvnode/plugins/fixture"
)

// generator makes conflicts out of the keys and values of fixtures: as they are, mixed, broken, and replaced by nonsense.
type generator struct {
	rng    *rand.Rand
	keys   [][]byte
	values [][]byte
}

// conflictsLike returns the conflicts of the cases and n more that resemble them, the same for the same seed.
func conflictsLike(cases []fixture.Case, n int, seed uint64) []plugins.Input {
	g := generator{
		rng: rand.New(rand.NewPCG(seed, 0)), keys: [][]byte{[]byte("k"), nil},
		values: [][]byte{nil, []byte("a"), []byte("b\na"), []byte("1 2"), []byte(`{"a":1}`)},
	}
	var all []plugins.Input
	for _, c := range cases {
		all = append(all, c.Input())
		g.learn(c)
	}
	for range n {
		all = append(all, g.conflict())
	}
	return all
}

// learn takes the keys and values of a case.
func (g *generator) learn(c fixture.Case) {
	g.keys = append(g.keys, c.Key)
	for _, v := range c.Versions {
		g.values = append(g.values, v.Value)
	}
	if c.Base != nil {
		g.values = append(g.values, c.Base.Value)
	}
}

func (g *generator) conflict() plugins.Input {
	in := plugins.Input{Key: pick(g, g.keys)}
	var time uint64
	for range 2 + g.rng.IntN(4) {
		time += 1 + g.rng.Uint64N(1000)
		in.Versions = append(in.Versions, g.version(time))
	}
	if g.rng.IntN(3) == 0 {
		base := g.version(0)
		in.Base = &base
	}
	return in
}

// version is a delete one time in eight.
func (g *generator) version(time uint64) plugins.Version {
	v := plugins.Version{Time: time, Origin: g.rng.Uint64(), Deleted: g.rng.IntN(8) == 0}
	if !v.Deleted {
		v.Value = g.value()
	}
	return v
}

// value is most often something that the handler understands.
func (g *generator) value() []byte {
	known := pick(g, g.values)
	switch g.rng.IntN(8) {
	case 0, 1, 2:
		return known
	case 3, 4, 5:
		return g.mix(known, pick(g, g.values))
	case 6:
		return g.damage(known)
	default:
		return g.noise()
	}
}

// mix takes each line of both with a chance of a half.
func (g *generator) mix(a, b []byte) []byte {
	var lines [][]byte
	for _, value := range [][]byte{a, b} {
		for line := range bytes.SplitSeq(value, []byte("\n")) {
			if g.rng.IntN(2) == 0 {
				lines = append(lines, line)
			}
		}
	}
	return bytes.Join(lines, []byte("\n"))
}

// damage cuts the value off, and replaces one byte of what is left.
func (g *generator) damage(value []byte) []byte {
	damaged := bytes.Clone(value[:g.rng.IntN(len(value)+1)])
	if len(damaged) > 0 {
		damaged[g.rng.IntN(len(damaged))] = byte(g.rng.Uint32())
	}
	return damaged
}

func (g *generator) noise() []byte {
	noise := make([]byte, g.rng.IntN(100))
	for i := range noise {
		noise[i] = byte(g.rng.Uint32())
	}
	return noise
}

func pick(g *generator, from [][]byte) []byte { return from[g.rng.IntN(len(from))] }
