//go:build !linux

package plugins

import (
	"bytes"

	"github.com/tetratelabs/wazero/experimental"
)

// linear is the memory of one instance.
type linear struct {
	reserved []byte
	size     uint64
	// refused says that the running call asked for more than the limit.
	refused bool
}

var _ experimental.LinearMemory = (*linear)(nil)

// reserve makes a memory that can grow to limit bytes.
func reserve(limit uint64) *linear { return &linear{reserved: make([]byte, limit)} }

// Reallocate implements experimental.LinearMemory.
func (l *linear) Reallocate(size uint64) []byte {
	if size > uint64(len(l.reserved)) {
		l.refused = true
		return nil
	}
	l.size = size
	return l.reserved[:size:size]
}

// Free implements experimental.LinearMemory.
func (l *linear) Free() { l.reserved = nil }

// image is a copy of what a memory contained after initialisation.
type image struct{ bytes []byte }

// newImage keeps the contents of memory.
func newImage(memory []byte) (*image, error) { return &image{bytes: bytes.Clone(memory)}, nil }

// adopt gives l the image's contents. l has the size that the image was made of.
func (i *image) adopt(l *linear) error { return i.restore(l) }

// restore undoes everything that was written to l since adopt.
func (i *image) restore(l *linear) error {
	copy(l.reserved[:l.size], i.bytes)
	return nil
}

// close frees the image.
func (i *image) close() error { return nil }
