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
	if !isPacked(raw) {
		return raw, nil
	}
	packed, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: unpack: %w", engine.ErrBadModule, err)
	}
	module, err := io.ReadAll(io.LimitReader(packed, MaxModuleBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: unpack: %w", engine.ErrBadModule, err)
	case len(module) > MaxModuleBytes:
		return nil, fmt.Errorf("%w (this one has more when it is unpacked)", engine.ErrModuleTooLarge)
	}
	return module, nil
}
