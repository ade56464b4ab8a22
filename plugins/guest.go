package plugins

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"unicode/utf16"

	"github.com/tetratelabs/wazero/api"

	"github.com/kvnode/kvnode/plugins/meter"
)

// The numbers that WASI functions return.
const (
	wasiSuccess = 0
	wasiBadFile = 8
	wasiFault   = 21
	wasiNoSys   = 52
)

// maxLogBytes is how much of one line reaches the log.
const maxLogBytes = 1 << 10

// guestTime is the time on every clock that a module asks for, in nanoseconds. Some runtimes take 0 for broken.
const guestTime = 1

// guest is what a module sees of its host: the receiver of its imports during one call of one of them. Only the lower
// half of a parameter that is an i32 means anything; the upper half differs from call to call.
type guest struct {
	instance *instance
	module   api.Module
}

// violation is the panic of a host function; the engine turns it into the error of the call.
type violation struct{ reason string }

func (v *violation) Error() string { return v.reason }

// charge takes fuel for work that the host does for the guest.
func (g guest) charge(units uint64) {
	fuel, ok := g.module.ExportedGlobal(meter.FuelGlobal).(api.MutableGlobal)
	rest := g.module.ExportedGlobal(meter.RestGlobal)
	if !ok || rest == nil {
		panic("plugins: module without fuel")
	}
	left := int64(fuel.Get()) - int64(units)
	fuel.Set(uint64(left))
	if left+int64(rest.Get()) < 0 {
		panic(&violation{"out of fuel"})
	}
}

// bytes returns the guest's memory at ptr, charged for, and false when it is not there.
func (g guest) bytes(ptr, n uint64) ([]byte, bool) {
	b, ok := g.module.Memory().Read(uint32(ptr), uint32(n))
	if ok {
		g.charge(uint64(len(b)))
	}
	return b, ok
}

// put32 writes a number to the guest's memory.
func (g guest) put32(ptr uint64, v uint32) bool {
	return g.module.Memory().WriteUint32Le(uint32(ptr), v)
}

// status is the result of a WASI function: success, or a bad address.
func status(ok bool) uint64 {
	if ok {
		return wasiSuccess
	}
	return wasiFault
}

func (guest) succeed(stack []uint64)      { stack[0] = wasiSuccess }
func (guest) badFile(stack []uint64)      { stack[0] = wasiBadFile }
func (guest) notSupported(stack []uint64) { stack[0] = wasiNoSys }

// nothingToGet says that there are no arguments and no environment: a count of 0 and a size of 0.
func (g guest) nothingToGet(stack []uint64) {
	stack[0] = status(g.put32(stack[0], 0) && g.put32(stack[1], 0))
}

func (g guest) clockRes(stack []uint64) {
	stack[0] = status(g.module.Memory().WriteUint64Le(uint32(stack[1]), 1))
}

func (g guest) clockTime(stack []uint64) {
	stack[0] = status(g.module.Memory().WriteUint64Le(uint32(stack[2]), guestTime))
}

// random fills the buffer from a fixed stream (SplitMix64: Steele, Lea, Flood, OOPSLA 2014), which goes on from where
// initialisation left it in each call.
func (g guest) random(stack []uint64) {
	buf, ok := g.bytes(stack[0], stack[1])
	for i := 0; i < len(buf); i += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], g.instance.nextRandom())
		copy(buf[i:], word[:])
	}
	stack[0] = status(ok)
}

// write sends what goes to standard output and error to the log, and knows no other file.
func (g guest) write(stack []uint64) {
	fd, vectors, n, written := uint32(stack[0]), uint64(uint32(stack[1])), uint64(uint32(stack[2])), stack[3]
	if fd != 1 && fd != 2 {
		stack[0] = wasiBadFile
		return
	}
	total, ok := uint32(0), true
	for i := uint64(0); i < n && ok; i++ {
		var v, text []byte
		if v, ok = g.bytes(vectors+8*i, 8); !ok {
			break
		}
		text, ok = g.bytes(uint64(binary.LittleEndian.Uint32(v)), uint64(binary.LittleEndian.Uint32(v[4:])))
		g.instance.console.print(int(fd)-1, text)
		total += uint32(len(text))
	}
	stack[0] = status(ok && g.put32(written, total))
}

// exit is what a panic of Go or an abort of C ends in.
func (guest) exit(stack []uint64) {
	panic(&violation{"exit status " + strconv.FormatInt(int64(int32(stack[0])), 10)})
}

// log is kvnode.log(level, pointer, length).
func (g guest) log(stack []uint64) {
	text, ok := g.bytes(stack[1], min(uint64(uint32(stack[2])), maxLogBytes))
	if !ok {
		panic(&violation{"out of bounds log message"})
	}
	g.instance.console.log(int32(stack[0]), text)
}

// abort is AssemblyScript's abort(message, file, line, column). The strings are UTF-16, with their size in bytes before
// them.
func (g guest) abort(stack []uint64) {
	reason := fmt.Sprintf("abort at line %d column %d", uint32(stack[2]), uint32(stack[3]))
	if said := g.utf16(uint32(stack[0])); said != "" {
		reason += ": " + said
	}
	panic(&violation{reason})
}

// utf16 reads an AssemblyScript string, or its beginning; a bad pointer is the empty string.
func (g guest) utf16(ptr uint32) string {
	size, ok := g.module.Memory().ReadUint32Le(ptr - 4)
	if !ok || ptr < 4 {
		return ""
	}
	b, ok := g.bytes(uint64(ptr), uint64(min(size, maxLogBytes)))
	if !ok {
		return ""
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return printable([]byte(string(utf16.Decode(units))))
}

// printable makes one line of valid text of what a guest said.
func printable(b []byte) string {
	b, _, _ = bytes.Cut(b[:min(len(b), maxLogBytes)], []byte("\n"))
	return string(bytes.ToValidUTF8(bytes.TrimSpace(b), []byte("?")))
}
