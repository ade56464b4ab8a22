package abi

import "encoding/binary"

// Sibling is one version of the key in conflict. Its value belongs to whoever made the frame.
type Sibling struct {
	Value []byte
	// Time is the version's hybrid time, Origin the first 8 bytes of the actor that wrote it.
	Time, Origin uint64
	// Deleted says that this version is a delete; Value is empty then.
	Deleted bool
}

// Frame is the input of one call.
type Frame struct {
	Key []byte
	// Versions ascend by (Time, Origin) and are unique, so the last is the newest.
	Versions []Sibling
	// Base is the version that all of Versions overwrote, nil when it is not known or there is none.
	Base *Sibling
	// Now is the time of the newest version, never a clock's.
	Now uint64
	// Seed is the same on every node for the same input.
	Seed uint64
}

// Size returns how many bytes Encode writes. It may exceed what a guest can address; the caller checks that.
func (f *Frame) Size() uint64 {
	size := align(HeaderBytes + VersionBytes*uint64(f.records()) + uint64(len(f.Key)))
	for i := range f.Versions {
		size = align(size + uint64(len(f.Versions[i].Value)))
	}
	if f.Base != nil {
		size = align(size + uint64(len(f.Base.Value)))
	}
	return size
}

// records counts the version records, the base's included.
func (f *Frame) records() int {
	if f.Base != nil {
		return len(f.Versions) + 1
	}
	return len(f.Versions)
}

// Encode writes the frame into buf, which begins at the guest address addr. Every byte of the frame is written, the
// outputs and the gaps with zeros. It panics when buf is shorter than Size or addr+Size exceeds 32 bits.
func (f *Frame) Encode(buf []byte, addr uint32) {
	header, w := (*[HeaderBytes]byte)(buf), writer{buf: buf, addr: addr}
	*header = [HeaderBytes]byte{}
	at := w.blob(header[OffKey:], f.Key, HeaderBytes+VersionBytes*f.records())
	record := HeaderBytes
	for i := range f.Versions {
		at = w.version(record, &f.Versions[i], at)
		record += VersionBytes
	}
	if f.Base != nil {
		binary.LittleEndian.PutUint32(header[OffFlags:], FlagBase)
		at = w.version(record, f.Base, at)
	}
	if at > len(buf) || uint64(addr)+uint64(at) > 1<<32 {
		panic("abi: frame does not fit its buffer")
	}
	binary.LittleEndian.PutUint32(header[OffSize:], uint32(at))
	binary.LittleEndian.PutUint32(header[OffVersions:], uint32(len(f.Versions)))
	binary.LittleEndian.PutUint64(header[OffNow:], f.Now)
	binary.LittleEndian.PutUint64(header[OffSeed:], f.Seed)
}

// writer writes the blobs of a frame one after the other.
type writer struct {
	buf  []byte
	addr uint32
}

// blob writes b at an offset, pads it, and writes its pointer and length at the start of field. It returns the offset behind it.
func (w writer) blob(field, b []byte, at int) int {
	binary.LittleEndian.PutUint64(field, uint64(w.addr+uint32(at))|uint64(len(b))<<32)
	end := at + len(b)
	next := int(align(uint64(end)))
	copy(w.buf[at:end], b)
	if end < next {
		clear(w.buf[end:next])
	}
	return next
}

// version fills the record at an offset, and writes its value as blob does.
func (w writer) version(off int, v *Sibling, at int) int {
	record := (*[VersionBytes]byte)(w.buf[off:])
	binary.LittleEndian.PutUint64(record[OffVersionTime:], v.Time)
	binary.LittleEndian.PutUint64(record[OffVersionOrigin:], v.Origin)
	flags := uint64(0)
	if v.Deleted {
		flags = FlagDelete
	}
	binary.LittleEndian.PutUint64(record[OffVersionFlags:], flags)
	return w.blob(record[OffVersionValue:], v.Value, at)
}

// Decode reads the frame at the start of buf, which begins at the guest address addr. The result aliases buf. It
// returns ErrFrame for bytes that no host writes: pointers outside the frame, or more versions than there is room for.
func Decode(buf []byte, addr uint32) (Frame, error) {
	if len(buf) < HeaderBytes {
		return Frame{}, explain(ErrFrame, "bytes", uint64(len(buf)))
	}
	size := binary.LittleEndian.Uint32(buf[OffSize:])
	if size < HeaderBytes || uint64(size) > uint64(len(buf)) {
		return Frame{}, explain(ErrFrame, "size", uint64(size))
	}
	r := reader{buf: buf[:size], addr: addr}
	n, flags := r.u32(OffVersions), r.u32(OffFlags)
	if uint64(n)+uint64(flags&FlagBase) > uint64(size-HeaderBytes)/VersionBytes {
		return Frame{}, explain(ErrFrame, "versions", uint64(n))
	}
	f := Frame{Key: r.bytes(OffKey), Now: r.u64(OffNow), Seed: r.u64(OffSeed), Versions: make([]Sibling, n)}
	for i := range f.Versions {
		f.Versions[i] = r.version(HeaderBytes + VersionBytes*i)
	}
	if flags&FlagBase != 0 {
		base := r.version(HeaderBytes + VersionBytes*int(n))
		f.Base = &base
	}
	if r.err != nil {
		return Frame{}, r.err
	}
	return f, nil
}

// reader reads a frame by offset; err is the first pointer that led outside.
type reader struct {
	buf  []byte
	addr uint32
	err  error
}

func (r *reader) u32(off int) uint32 { return binary.LittleEndian.Uint32(r.buf[off:]) }
func (r *reader) u64(off int) uint64 { return binary.LittleEndian.Uint64(r.buf[off:]) }

func (r *reader) bytes(off int) []byte {
	ptr, n := uint64(r.u32(off)), uint64(r.u32(off+4))
	from := ptr - uint64(r.addr)
	if ptr < uint64(r.addr) || from+n > uint64(len(r.buf)) {
		r.err = explain(ErrFrame, "pointer", ptr)
		return nil
	}
	return r.buf[from : from+n : from+n]
}

func (r *reader) version(off int) Sibling {
	return Sibling{
		Time:    r.u64(off + OffVersionTime),
		Origin:  r.u64(off + OffVersionOrigin),
		Value:   r.bytes(off + OffVersionValue),
		Deleted: r.u32(off+OffVersionFlags)&FlagDelete != 0,
	}
}

// align rounds up to the next multiple of Align.
func align(n uint64) uint64 { return (n + Align - 1) &^ (Align - 1) }
