package bus

// FragmentSize is the number of bytes above which a payload is cut.
const FragmentSize = fragmentSize

// Frames returns the frames of payload, as the number-th that from cuts in a lane.
func Frames(from string, number uint64, payload []byte) [][]byte {
	f := framer{from: from, number: number - 1}
	var frames [][]byte
	_ = f.emit(payload, func(frame []byte) error {
		frames = append(frames, append([]byte(nil), frame...))
		return nil
	})
	return frames
}

// Assembler is the way from frames back to payloads.
type Assembler struct{ a *assembler }

// NewAssembler returns an assembler with these bounds.
func NewAssembler(perSender, budget int) Assembler {
	return Assembler{a: newAssembler(perSender, budget)}
}

// Take consumes one message.
func (a Assembler) Take(raw []byte) (from string, payload []byte, ok bool) { return a.a.take(raw) }

// Held returns how many bytes unfinished payloads occupy.
func (a Assembler) Held() int { return a.a.bytes }

// Dropped returns how many frames and payloads were given up.
func (a Assembler) Dropped() uint64 { return a.a.dropped }

// AccountRoute returns the names of the lanes' accounts and the number of connections that they are spread over.
func AccountRoute() ([NumLanes]string, int) { return laneAccounts(), routePoolSize }
