package check

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/kvnode/kvnode/plugins"
)

// maxScaled is how large values may be at least without a trap, in bytes.
const maxScaled = maxHostile

// scaled is what became of a conflict of two large values.
type scaled struct {
	bytes int
	fuel  uint64
	// trap is the reason of a trap, refusal the text of an error.
	trap, refusal string
	refused       bool
}

func (s scaled) answered() bool { return s.trap == "" && !s.refused }

// testScale wants two values of up to maxScaled not to trap, and the fuel of values that are answered to grow with their size; it finds out
// what becomes of larger ones. Its calls do not count among the others.
func testScale(ctx context.Context, k *checker, in plugins.Input) (finding, error) {
	if n := len(k.scale); n > 0 && k.scale[n-1].trap != "" {
		return finding{}, nil
	}
	o, err := k.callOn(ctx, k.subject.Reused, in)
	if err != nil {
		return finding{}, err
	}
	s := scaled{bytes: min(len(in.Versions[0].Value), len(in.Versions[1].Value)), fuel: o.verdict.Fuel, trap: o.trap}
	if s.refused = o.trap == "" && o.verdict.Kind == plugins.Failed; s.refused {
		s.refusal = o.verdict.Message
	}
	k.scale = append(k.scale, s)
	switch {
	case s.answered():
		return judged(k.steepness()), nil
	case s.trap != "" && s.bytes < 2*maxScaled:
		return judged(fmt.Sprintf("two values of %s: %s", kib(s.bytes), s.trap)), nil
	default:
		return finding{}, nil
	}
}

// maxSteepness is the power of the size with which fuel may grow: sorting is below it, two nested loops are above.
const maxSteepness = 1.5

// steepness says that fuel grows too fast, or nothing. It compares the largest values that were answered with those two steps smaller, so that
// what is paid once, such as for a heap that grows, does not count for much.
func (k *checker) steepness() string {
	var sizes []scaled
	for _, s := range k.scale {
		if s.answered() {
			sizes = append(sizes, s)
		}
	}
	const steps = 2
	if len(sizes) <= steps {
		return ""
	}
	small, large := sizes[len(sizes)-1-steps], sizes[len(sizes)-1]
	times := float64(large.bytes) / float64(small.bytes)
	if float64(large.fuel) <= float64(small.fuel)*math.Pow(times, maxSteepness) {
		return ""
	}
	return fmt.Sprintf("fuel grows much faster than values: two of %s take %d units, two of %s take %d",
		kib(small.bytes), small.fuel, kib(large.bytes), large.fuel)
}

// scaleNote is how far the handler goes: the largest values that it answers, from where on it refuses them, and where it traps beyond
// what the law asks for.
func (k *checker) scaleNote() string {
	var texts []string
	refused := ""
	for _, s := range k.scale {
		switch {
		case s.answered():
			texts, refused = []string{fmt.Sprintf("two values of %s use %d %% of the fuel", kib(s.bytes), 100*s.fuel/k.subject.Limits.Fuel)}, ""
		case s.refused && refused == "":
			refused = fmt.Sprintf("refused from %s on: %q", kib(s.bytes), cut(s.refusal, shortProblem))
			texts = append(texts, refused)
		case s.trap != "" && s.bytes >= 2*maxScaled:
			texts = append(texts, fmt.Sprintf("with two values of %s it traps", kib(s.bytes)))
		}
	}
	return strings.Join(texts, ", ")
}

// kib is a size for people.
func kib(bytes int) string { return fmt.Sprintf("%d KiB", bytes>>10) }
