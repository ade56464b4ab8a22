package plugins

import (
	"fmt"
	"math/bits"

	"github.com/zeebo/xxh3"

	"github.com/kvnode/kvnode/plugins/abi"
)

// Version is one of the concurrent versions of a key. The host reads its Value during Resolve only.
type Version = abi.Sibling

// Input is one conflict.
type Input struct {
	Key []byte
	// Versions are two or more, ascending by (Time, Origin), none twice. The last one's time is the handler's clock.
	Versions []Version
	// Base is the version that all of them overwrote; nil when it is not known or there is none.
	Base *Version
}

// Kind is what a handler decided.
type Kind int

// The verdicts of a handler.
const (
	// Keep: it decides nothing.
	Keep Kind = iota
	// Set: Value is what readers see.
	Set
	// Delete: readers see no value.
	Delete
	// Pick: version number Index is what readers see; that may be one that is a delete.
	Pick
	// Failed: it cannot decide, and Message says why. The limits on frame and output count as this, too.
	Failed
)

// String returns the verdict's name in the journal: "keep", "set", "delete", "pick", "failed".
func (k Kind) String() string {
	switch k {
	case Keep:
		return "keep"
	case Set:
		return "set"
	case Delete:
		return "delete"
	case Pick:
		return "pick"
	case Failed:
		return "failed"
	default:
		return fmt.Sprintf("Kind(%d)", int(k))
	}
}

// Verdict is the outcome of a call: a function of module, limits and input, the same at every node.
type Verdict struct {
	Kind Kind
	// Value is the caller's own for Set, and aliases the input for Pick.
	Value []byte
	// Index is the version that Pick names.
	Index int
	// Message is the text of Failed, at most 4 KiB of UTF-8.
	Message string
	// Fuel is how much the call used.
	Fuel uint64
}

// String says the verdict and its content: `set "plum"`, "pick 1", `failed "not a cart"`.
func (v Verdict) String() string {
	switch v.Kind {
	case Set:
		return fmt.Sprintf("set %q", v.Value)
	case Pick:
		return fmt.Sprintf("pick %d", v.Index)
	case Failed:
		return fmt.Sprintf("failed %q", v.Message)
	case Keep, Delete:
	}
	return v.Kind.String()
}

// validate returns ErrInput unless the versions are what the contract promises the handler.
func (in *Input) validate() error {
	if len(in.Versions) < 2 {
		return fmt.Errorf("%w: it has %d", ErrInput, len(in.Versions))
	}
	for i := range in.Versions[1:] {
		a, b := &in.Versions[i], &in.Versions[i+1]
		if a.Time > b.Time || a.Time == b.Time && a.Origin >= b.Origin {
			return fmt.Errorf("%w: version %d", ErrInput, i+1)
		}
	}
	return nil
}

// fill makes f the input as the handler gets it.
func (in *Input) fill(f *abi.Frame) {
	f.Key, f.Versions, f.Base = in.Key, in.Versions, in.Base
	f.Now, f.Seed = in.Versions[len(in.Versions)-1].Time, in.seed()
}

// seed hashes everything that the handler sees, so that it is the same wherever the conflict is.
func (in *Input) seed() uint64 {
	seed := xxh3.Hash(in.Key)
	for i := range in.Versions {
		seed = mix(seed, &in.Versions[i])
	}
	if in.Base != nil {
		seed = mix(seed, in.Base)
	}
	return seed
}

// mix adds a version to a seed, by folded multiplications as in wyhash (Wang Yi, 2019); the values are hashed apart, so that the
// processor can do that at once.
func mix(seed uint64, v *Version) uint64 {
	origin := v.Origin
	if v.Deleted {
		origin = ^origin
	}
	return fold(seed^xxh3.Hash(v.Value), fold(v.Time^splitMixStep, origin^foldStep))
}

// foldStep is a multiplier of SplitMix64.
const foldStep = 0xbf58476d1ce4e5b9

// fold multiplies to 128 bits, and folds the halves.
func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// refuse says why a frame of a size is over the limits, or nothing.
func (l *Limits) refuse(f *abi.Frame, size uint64) string {
	if len(f.Versions) > l.Versions {
		return fmt.Sprintf("%d versions, at most %d are allowed", len(f.Versions), l.Versions)
	}
	if size > l.FrameBytes {
		return fmt.Sprintf("a frame of %d bytes, at most %d are allowed", size, l.FrameBytes)
	}
	return ""
}
