package bus

import (
	"encoding/binary"
	"errors"
	"sync"
)

// A frame is what travels as one message of the network:
//
//	version  1 byte, frameVersion
//	kind     1 byte, kindWhole or kindFragment
//	length   1 byte, of the sender's ID
//	sender   that many bytes
//	number   8 bytes, of the payload within the sender's lane    } of fragments
//	offset   4 bytes, of the body within the payload             } only, all
//	total    4 bytes, the length of the payload                  } big-endian
//	body     the rest
const (
	frameVersion = 1

	kindWhole    = 0
	kindFragment = 1

	prefixLen         = 3
	fragmentHeaderLen = 16
	maxFrameLen       = prefixLen + maxNameLen + fragmentHeaderLen + fragmentSize

	// fragmentSize is the number of bytes above which a payload is cut, and of every fragment but the last.
	fragmentSize = 256 << 10
)

var errMalformed = errors.New("malformed frame")

// frame is a decoded frame. from and body alias the message that it was decoded from.
type frame struct {
	from     []byte
	fragment bool
	number   uint64
	offset   int
	total    int
	body     []byte
}

// decodeFrame reads a frame that a stranger may have written.
// Invariant of a fragment: offset is a multiple of fragmentSize, and every body but the last fills fragmentSize.
func decodeFrame(raw []byte) (frame, error) {
	if len(raw) < prefixLen || raw[0] != frameVersion || len(raw) < prefixLen+int(raw[2]) {
		return frame{}, errMalformed
	}
	idEnd := prefixLen + int(raw[2])
	f := frame{from: raw[prefixLen:idEnd], body: raw[idEnd:]}
	if len(f.from) == 0 || len(f.from) > maxNameLen {
		return frame{}, errMalformed
	}
	switch raw[1] {
	case kindWhole:
		if len(f.body) > fragmentSize {
			return frame{}, errMalformed
		}
		return f, nil
	case kindFragment:
		return f.decodeFragment()
	default:
		return frame{}, errMalformed
	}
}

func (f frame) decodeFragment() (frame, error) {
	if len(f.body) < fragmentHeaderLen {
		return frame{}, errMalformed
	}
	f.fragment = true
	f.number = binary.BigEndian.Uint64(f.body)
	f.offset = int(binary.BigEndian.Uint32(f.body[8:]))
	f.total = int(binary.BigEndian.Uint32(f.body[12:]))
	f.body = f.body[fragmentHeaderLen:]
	switch {
	case f.total <= fragmentSize || f.total > MaxPayload,
		f.offset%fragmentSize != 0 || f.offset >= f.total,
		len(f.body) != min(fragmentSize, f.total-f.offset):
		return frame{}, errMalformed
	default:
		return f, nil
	}
}

// framer makes the frames of one sender's lane.
type framer struct {
	from string

	mu     sync.Mutex // held over all frames of a payload, so that those of two payloads do not mix
	number uint64
	buf    []byte
}

// emit calls publish with each frame of payload, one after the other. A frame is valid during the call only.
func (f *framer) emit(payload []byte, publish func(frame []byte) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(payload) <= fragmentSize {
		return publish(f.frame(kindWhole, nil, payload))
	}
	f.number++
	var header [fragmentHeaderLen]byte
	binary.BigEndian.PutUint64(header[:], f.number)
	binary.BigEndian.PutUint32(header[12:], uint32(len(payload)))
	for offset := 0; offset < len(payload); offset += fragmentSize {
		binary.BigEndian.PutUint32(header[8:], uint32(offset))
		end := min(offset+fragmentSize, len(payload))
		if err := publish(f.frame(kindFragment, header[:], payload[offset:end])); err != nil {
			return err
		}
	}
	return nil
}

func (f *framer) frame(kind byte, header, body []byte) []byte {
	f.buf = append(f.buf[:0], frameVersion, kind, byte(len(f.from)))
	f.buf = append(f.buf, f.from...)
	f.buf = append(f.buf, header...)
	f.buf = append(f.buf, body...)
	return f.buf
}
