package abi

import "encoding/binary"

// Output is what a handler answered.
type Output struct {
	Status Status
	// Value is StatusSet's value, or StatusError's text; it aliases the guest's memory.
	Value []byte
	// Index is the version that StatusPick picked.
	Index int
}

// DecodeOutput reads the answer of a call from the guest's memory: status is what handle_conflict returned for the
// frame at address frame, versions is how many versions that frame had. Only the fields that the status uses are
// looked at. It returns ErrStatus, ErrPointer or ErrIndex for an answer that violates the contract.
func DecodeOutput(memory []byte, frame uint32, status int32, versions int) (Output, error) {
	if uint64(frame)+HeaderBytes > uint64(len(memory)) {
		return Output{}, explain(ErrPointer, "frame at", uint64(frame))
	}
	header := memory[frame : frame+HeaderBytes]
	switch s := max(Status(status), StatusError); s {
	case StatusError:
		text, err := slice(memory, header[OffReply:])
		return Output{Status: s, Value: text}, err
	case StatusKeep, StatusDelete:
		return Output{Status: s}, nil
	case StatusSet:
		value, err := slice(memory, header[OffOut:])
		return Output{Status: s, Value: value}, err
	case StatusPick:
		i, err := index(header, versions)
		return Output{Status: s, Index: i}, err
	default:
		return Output{}, explain(ErrStatus, "status", uint64(status))
	}
}

// index reads the picked version.
func index(header []byte, versions int) (int, error) {
	aux := binary.LittleEndian.Uint32(header[OffAux:])
	if uint64(aux) >= uint64(versions) {
		return 0, explain(ErrIndex, "index", uint64(aux))
	}
	return int(aux), nil
}

// slice follows the pointer and length at the start of field. A length of 0 is the empty slice, wherever it points.
func slice(memory, field []byte) ([]byte, error) {
	ptr, n := uint64(binary.LittleEndian.Uint32(field)), uint64(binary.LittleEndian.Uint32(field[4:]))
	if n == 0 {
		return nil, nil
	}
	if ptr+n > uint64(len(memory)) {
		return nil, explain(ErrPointer, "end of output at", ptr+n)
	}
	return memory[ptr : ptr+n : ptr+n], nil
}

// EncodeOutput writes o into the header at the start of frame, for a guest; ptr is the address of o.Value. The guest
// returns o.Status and keeps o.Value alive until it is called again.
func EncodeOutput(frame []byte, o Output, ptr uint32) {
	off := OffOut
	if o.Status == StatusError {
		off = OffReply
	}
	binary.LittleEndian.PutUint32(frame[off:], ptr)
	binary.LittleEndian.PutUint32(frame[off+4:], uint32(len(o.Value)))
	binary.LittleEndian.PutUint32(frame[OffAux:], uint32(o.Index))
}
