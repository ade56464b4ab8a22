package replica

import (
	"encoding/binary"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// sum128 is a number modulo 2^128, high word first.
type sum128 [2]uint64

// fingerprint returns the key's share of the audit sum, 0 for a key without versions.
func (r *Replica) fingerprint(key string, vs []Version) (sum sum128) {
	sum, r.scratch = fingerprint(r.scratch, key, vs)
	return sum
}

// fingerprint computes a fingerprint in scratch, and returns the room for the next.
func fingerprint(scratch []byte, key string, vs []Version) (sum128, []byte) {
	if len(vs) == 0 {
		return sum128{}, scratch
	}
	b := binary.AppendUvarint(scratch[:0], uint64(len(key)))
	b = append(b, key...)
	for _, v := range vs {
		id, value := v.Dot.Actor.Bytes(), xxh3.Hash128(v.Value)
		b = append(b, id[:]...)
		b = binary.BigEndian.AppendUint64(b, v.Dot.Counter)
		b = binary.BigEndian.AppendUint64(b, uint64(v.Stamp))
		b = binary.BigEndian.AppendUint64(b, value.Hi)
		b = binary.BigEndian.AppendUint64(b, value.Lo)
		if v.Deleted {
			b = append(b, 1)
		}
	}
	h := xxh3.Hash128(b)
	return sum128{h.Hi, h.Lo}, b
}

func (s sum128) plus(t sum128) sum128 {
	lo, carry := bits.Add64(s[1], t[1], 0)
	hi, _ := bits.Add64(s[0], t[0], carry)
	return sum128{hi, lo}
}

func (s sum128) minus(t sum128) sum128 {
	lo, borrow := bits.Sub64(s[1], t[1], 0)
	hi, _ := bits.Sub64(s[0], t[0], borrow)
	return sum128{hi, lo}
}
