package rest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/kvnode/kvnode/engine"
)

// isPacked says whether bytes begin as gzip does (RFC 1952); no module of WebAssembly does.
func isPacked(raw []byte) bool { return bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) }

// UnpackModule returns the module that was packed with gzip, and what is not packed as it is. It unpacks no more than MaxModuleBytes; beyond that the error
// is engine.ErrModuleTooLarge, and engine.ErrBadModule when the bytes do not unpack.
func UnpackModule(raw []byte) ([]byte, error) {
	return unpackModule(raw, func(int) error { return nil })
}

// unpackModule is UnpackModule that asks hold for the room. It unpacks twice, to take no more than that: what gzip itself says of the size may be wrong.
func unpackModule(raw []byte, hold func(size int) error) ([]byte, error) {
	if !isPacked(raw) {
		return raw, nil
	}
	packed, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: unpack: %w", engine.ErrBadModule, err)
	}
	size, err := io.Copy(io.Discard, io.LimitReader(packed, MaxModuleBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: unpack: %w", engine.ErrBadModule, err)
	case size > MaxModuleBytes:
		return nil, fmt.Errorf("%w (this one has more when it is unpacked)", engine.ErrModuleTooLarge)
	}
	if err := hold(int(size)); err != nil {
		return nil, err
	}
	module := make([]byte, size)
	err = packed.Reset(bytes.NewReader(raw))
	if err == nil {
		_, err = io.ReadFull(packed, module)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: unpack: %w", engine.ErrBadModule, err)
	}
	return module, nil
}
