package plugins

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// copyOnWriteFrom is the size in bytes from which looking for changed pages is cheaper than copying all of them.
const copyOnWriteFrom = 384 << 10

// image is what a memory contained after initialisation. A small one is a copy. A larger one is a file that instances
// map privately: what they write to becomes a page of their own, the page table tells those pages from the file's, and
// only those are copied back.
type image struct {
	// bytes are the contents: on the heap, or the file's mapping.
	bytes []byte
	// fd is the file, -1 when there is none.
	fd int
	// pagemap is the process's page table, -1 where the kernel does not show it: then all pages are given up instead.
	pagemap int
}

// The bits of an entry of /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst in the kernel's sources).
const (
	entryBytes  = 8
	entryFile   = 1 << 61 // the page is the file's
	entryExists = 3 << 62 // the page is present or swapped out
)

// newImage keeps the contents of memory.
func newImage(memory []byte) (*image, error) {
	i := &image{fd: -1, pagemap: -1}
	if len(memory) < copyOnWriteFrom {
		i.bytes = bytes.Clone(memory)
		return i, nil
	}
	if err := i.share(memory); err != nil {
		return nil, fmt.Errorf("%w: make memory image: %w", ErrHost, errors.Join(err, i.close()))
	}
	i.openPagemap()
	return i, nil
}

// share writes the contents to a file without a name.
func (i *image) share(memory []byte) error {
	fd, err := unix.MemfdCreate("kvnode-handler", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	i.fd = fd
	for at := 0; at < len(memory); {
		n, err := unix.Pwrite(fd, memory[at:], int64(at))
		if err != nil {
			return err
		}
		at += n
	}
	i.bytes, err = unix.Mmap(fd, 0, len(memory), unix.PROT_READ, unix.MAP_SHARED)
	return err
}

// openPagemap opens the page table if it tells the truth about a memory of which one page was written to.
func (i *image) openPagemap() {
	fd, err := unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	i.pagemap = fd
	probe := reserve(uint64(len(i.bytes)))
	defer probe.Free()
	if probe.Reallocate(uint64(len(i.bytes))) != nil && i.adopt(probe) == nil {
		seen := probe.reserved[0] ^ probe.reserved[len(i.bytes)-1]
		copy(probe.reserved[os.Getpagesize():], []byte{seen})
		if dirty, err := i.dirty(probe); err == nil && len(dirty) == 1 && dirty[0] == os.Getpagesize() {
			return
		}
	}
	i.pagemap = -1
	_ = unix.Close(fd) // it was only read
}

// adopt gives l the image's contents, and ties it to the image for restore. l has the size that the image was made of.
func (i *image) adopt(l *linear) error {
	if i.fd < 0 {
		return i.restore(l)
	}
	at := unsafe.Pointer(unsafe.SliceData(l.reserved))
	_, err := unix.MmapPtr(i.fd, 0, at, uintptr(l.size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED)
	if err != nil {
		return fmt.Errorf("%w: map memory image: %w", ErrHost, err)
	}
	return nil
}

// restore undoes everything that was written to l since adopt.
func (i *image) restore(l *linear) error {
	switch {
	case i.fd < 0:
		copy(l.reserved[:l.size], i.bytes)
		return nil
	case i.pagemap < 0:
		if err := unix.Madvise(l.reserved[:l.size], unix.MADV_DONTNEED); err != nil {
			return fmt.Errorf("%w: restore memory: %w", ErrHost, err)
		}
		return nil
	}
	dirty, err := i.dirty(l)
	for _, at := range dirty {
		end := at + os.Getpagesize()
		copy(l.reserved[at:end], i.bytes[at:end])
	}
	return err
}

// dirty returns the offsets of the pages that are l's own: those that were written to since adopt. They stay its own
// when they are restored, so that the next call writes to them without a fault.
func (i *image) dirty(l *linear) ([]int, error) {
	page := os.Getpagesize()
	pages := int(l.size) / page
	if l.entries == nil {
		l.entries = make([]byte, pages*entryBytes)
	}
	first := uintptr(unsafe.Pointer(unsafe.SliceData(l.reserved))) / uintptr(page)
	n, err := unix.Pread(i.pagemap, l.entries, int64(first)*entryBytes)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: read page table: %w", ErrHost, err)
	case n != len(l.entries):
		return nil, fmt.Errorf("%w: read page table: %d of %d bytes", ErrHost, n, len(l.entries))
	}
	l.dirty = l.dirty[:0]
	for p := range pages {
		entry := binary.LittleEndian.Uint64(l.entries[p*entryBytes:])
		if entry&entryExists != 0 && entry&entryFile == 0 {
			l.dirty = append(l.dirty, p*page)
		}
	}
	return l.dirty, nil
}

// close frees the image. Memories that adopted it must not be restored any more.
func (i *image) close() error {
	var errs []error
	for _, fd := range []int{i.fd, i.pagemap} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	if i.fd >= 0 && i.bytes != nil {
		errs = append(errs, unix.Munmap(i.bytes))
	}
	return errors.Join(errs...)
}
