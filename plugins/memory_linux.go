package plugins

import (
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// linear is the memory of one instance: its whole limit is reserved as address space, so that it never moves.
type linear struct {
	reserved []byte
	size     uint64
	// refused says that the running call asked for more than the limit.
	refused bool
	// entries and dirty are the buffers of image.dirty.
	entries []byte
	dirty   []int
}

var _ experimental.LinearMemory = (*linear)(nil)

// reserve makes a memory that can grow to limit bytes. When there is no address space for it, growing to any size fails.
func reserve(limit uint64) *linear {
	b, err := unix.Mmap(-1, 0, int(limit), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return &linear{}
	}
	return &linear{reserved: b}
}

// Reallocate implements experimental.LinearMemory.
func (l *linear) Reallocate(size uint64) []byte {
	if size > uint64(len(l.reserved)) {
		l.refused = true
		return nil
	}
	l.size = size
	return l.reserved[:size:size]
}

// Free implements experimental.LinearMemory. Slices of the memory must not be used any more.
func (l *linear) Free() {
	if l.reserved == nil {
		return
	}
	if err := unix.Munmap(l.reserved); err != nil {
		panic("plugins: guest memory is not mapped: " + err.Error())
	}
	l.reserved = nil
}
