//go:build wasip1

package sdk

import (
	"unsafe"

	"github.com/kvnode/kvnode/plugins/abi"
)

// guest is the state of the one module that this package is linked into: a module is single-threaded, and its exports
// are functions, so there is no value that could own it.
//
//nolint:gochecknoglobals // see above
var guest struct {
	handler Handler
	// frame is the host's buffer. It is made of words, so that it is aligned.
	frame []uint64
	// output keeps the last verdict's bytes alive until the host has read them.
	output []byte
}

// Handle makes h this module's handler. Call it from init.
func Handle(h Handler) { guest.handler = h }

//go:wasmexport kv_abi_version
func version() uint32 { return abi.Version }

//go:wasmexport kv_alloc
func alloc(n uint32) uint32 {
	guest.frame = make([]uint64, max(1, (uint64(n)+7)/8))
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(guest.frame))))
}

//go:wasmexport handle_conflict
func handleConflict(frame uint32) int32 {
	defer trapOnPanic()
	buf := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(guest.frame))), 8*len(guest.frame))
	v, err := serve(guest.handler, buf, frame)
	if err != nil {
		v = Fail(err.Error())
	}
	guest.output = v.output.Value
	abi.EncodeOutput(buf, v.output, uint32(uintptr(unsafe.Pointer(unsafe.SliceData(guest.output)))))
	return int32(v.output.Status)
}

// trapOnPanic says what the handler panicked with, where the node looks for a trap's reason, and ends the module. The
// runtime's own way to do that needs a clock.
func trapOnPanic() {
	if p := recover(); p != nil {
		println("panic: " + panicText(p))
		exit(2)
	}
}

// panicText says what a handler panicked with, without package fmt, which would add 700 KiB to every module.
func panicText(p any) string {
	switch p := p.(type) {
	case error:
		return p.Error()
	case interface{ String() string }:
		return p.String()
	case string:
		return p
	default:
		return "a value that is neither error nor string"
	}
}

//go:wasmimport wasi_snapshot_preview1 proc_exit
func exit(code uint32)
