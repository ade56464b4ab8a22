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

// Decode makes o the answer of a call from the guest's memory: status is what handle_conflict returned for the frame at
// address frame, versions is how many versions that frame had. Only the fields that the status uses are looked at. It
// returns ErrStatus, ErrPointer or ErrIndex for an answer that violates the contract.
func (o *Output) Decode(memory []byte, frame uint32, status int32, versions int) (err error) {
	if uint64(frame)+HeaderBytes > uint64(len(memory)) {
		return explain(ErrPointer, "frame at", uint64(frame))
	}
	header := (*[HeaderBytes]byte)(memory[frame:])
	*o = Output{Status: max(Status(status), StatusError)}
	switch o.Status {
	case StatusError:
		o.Value, err = slice(memory, header[OffReply:])
		return err
	case StatusKeep, StatusDelete:
		return nil
	case StatusSet:
		o.Value, err = slice(memory, header[OffOut:])
		return err
	case StatusPick:
		aux := binary.LittleEndian.Uint32(header[OffAux:])
		if uint64(aux) >= uint64(versions) {
			return explain(ErrIndex, "index", uint64(aux))
		}
		o.Index = int(aux)
		return nil
	default:
		return explain(ErrStatus, "status", uint64(status))
	}
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
