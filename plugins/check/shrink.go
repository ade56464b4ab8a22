package check

import (
	"bytes"
	"iter"
	"maps"
	"slices"

	"github.com/kvnode/kvnode/plugins"
)

// shrink returns the smallest conflict that it finds on which fails still is true: fewer versions, down to least, shorter values,
// simpler bytes, plain stamps. It tries the large steps first, and ends where no step is left.
func shrink(in plugins.Input, least int, fails func(plugins.Input) (bool, error)) (plugins.Input, error) {
	for {
		smaller, found, err := step(in, least, fails)
		if err != nil || !found {
			return in, err
		}
		in = smaller
	}
}

// step finds the first smaller conflict that fails.
func step(in plugins.Input, least int, fails func(plugins.Input) (bool, error)) (plugins.Input, bool, error) {
	for candidate := range smaller(in, least) {
		if bad, err := fails(candidate); bad || err != nil {
			return candidate, err == nil, err
		}
	}
	return in, false, nil
}

// smaller are the conflicts that are one step simpler.
func smaller(in plugins.Input, least int) iter.Seq[plugins.Input] {
	return chain(fewer(in, least), plainer(in), shorter(in))
}

// chain is one sequence after the other.
func chain[T any](seqs ...iter.Seq[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, seq := range seqs {
			for v := range seq {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// fewer leaves out versions, and the base: halves first where there are many.
func fewer(in plugins.Input, least int) iter.Seq[plugins.Input] {
	return func(yield func(plugins.Input) bool) {
		for n := (len(in.Versions) - least + 1) / 2; n > 0; n /= 2 {
			for at := 0; at+n <= len(in.Versions) && len(in.Versions)-n >= least; at += n {
				if !yield(with(in, slices.Delete(slices.Clone(in.Versions), at, at+n))) {
					return
				}
			}
		}
		if in.Base != nil {
			without := in
			without.Base = nil
			yield(without)
		}
	}
}

func with(in plugins.Input, versions []plugins.Version) plugins.Input {
	in.Versions = versions
	return in
}

// plainer has the stamps that a fixture would have, or a shorter key.
func plainer(in plugins.Input) iter.Seq[plugins.Input] {
	plain := with(in, slices.Clone(in.Versions))
	for i := range plain.Versions {
		plain.Versions[i].Time, plain.Versions[i].Origin = uint64(i+1), uint64(i+1)
	}
	stamps := slices.Values([]plugins.Input{plain})
	if slices.EqualFunc(plain.Versions, in.Versions, sameStamp) {
		stamps = slices.Values[[]plugins.Input](nil)
	}
	return chain(stamps, changed(in.Key, func(key []byte) plugins.Input {
		short := in
		short.Key = key
		return short
	}))
}

func sameStamp(a, b plugins.Version) bool { return a.Time == b.Time && a.Origin == b.Origin }

// shorter has one value that is shorter or simpler.
func shorter(in plugins.Input) iter.Seq[plugins.Input] {
	seqs := make([]iter.Seq[plugins.Input], 0, len(in.Versions)+1)
	for i, v := range in.Versions {
		seqs = append(seqs, changed(v.Value, func(value []byte) plugins.Input {
			versions := slices.Clone(in.Versions)
			versions[i].Value = value
			return with(in, versions)
		}))
	}
	if in.Base != nil {
		seqs = append(seqs, changed(in.Base.Value, func(value []byte) plugins.Input {
			base, short := *in.Base, in
			base.Value, short.Base = value, &base
			return short
		}))
	}
	return chain(seqs...)
}

// changed is what put makes of all values that are simpler than value.
func changed(value []byte, put func([]byte) plugins.Input) iter.Seq[plugins.Input] {
	return func(yield func(plugins.Input) bool) {
		for simpler := range shorterValues(value) {
			if !yield(put(simpler)) {
				return
			}
		}
	}
}

// shorterValues are values that are one step simpler.
func shorterValues(value []byte) iter.Seq[[]byte] {
	return chain(shorterDocuments(value), shorterBytes(value), simplerBytes(value))
}

// shorterDocuments leave out a part of a document.
func shorterDocuments(value []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		document, ok := documentOf(value)
		if !ok {
			return
		}
		for simpler := range simplerParts(document) {
			if raw := encode(simpler); len(raw) < len(value) && !yield(raw) {
				return
			}
		}
	}
}

// shorterBytes leave out a span of bytes: all, a half, and so on down to a byte.
func shorterBytes(value []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for n := len(value); n > 0; n /= 2 {
			for at := 0; at+n <= len(value); at += n {
				if !yield(slices.Delete(bytes.Clone(value), at, at+n)) {
					return
				}
			}
		}
	}
}

// simplerBytes have one of the first bytes replaced by the first of its kind.
func simplerBytes(value []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for at := range min(len(value), maxSimplified) {
			simple := simplest(value[at])
			if simple == value[at] {
				continue
			}
			replaced := bytes.Clone(value)
			replaced[at] = simple
			if !yield(replaced) {
				return
			}
		}
	}
}

// maxSimplified is how many bytes of a value are replaced one by one.
const maxSimplified = 64

// simplest is the byte that stands for all of its kind.
func simplest(b byte) byte {
	switch {
	case 'a' <= b && b <= 'z':
		return 'a'
	case 'A' <= b && b <= 'Z':
		return 'A'
	case '0' <= b && b <= '9':
		return '0'
	default:
		return b
	}
}

// simplerParts are documents with one part left out or replaced by one of its own parts.
func simplerParts(part any) iter.Seq[any] {
	return func(yield func(any) bool) {
		switch part := part.(type) {
		case map[string]any:
			simplerObjects(part, yield)
		case []any:
			simplerArrays(part, yield)
		}
	}
}

func simplerObjects(object map[string]any, yield func(any) bool) {
	for _, name := range sortedNames(object) {
		without := maps.Clone(object)
		delete(without, name)
		if !yield(without) {
			return
		}
	}
	for _, name := range sortedNames(object) {
		for simpler := range simplerParts(object[name]) {
			changed := maps.Clone(object)
			changed[name] = simpler
			if !yield(changed) {
				return
			}
		}
	}
}

func simplerArrays(array []any, yield func(any) bool) {
	for i := range array {
		if !yield(slices.Delete(slices.Clone(array), i, i+1)) {
			return
		}
	}
	for i := range array {
		for simpler := range simplerParts(array[i]) {
			changed := slices.Clone(array)
			changed[i] = simpler
			if !yield(changed) {
				return
			}
		}
	}
}
