package bus

// maxSenders bounds the sender IDs that an assembler remembers to save their allocation.
const maxSenders = 4096

// assembler turns the frames of one lane back into payloads, in bounded memory: at most perSender unfinished payloads a sender and
// budget bytes of them in all. What exceeds that is given up, the unfinished payload that waits longest first. It is not safe for
// concurrent use.
type assembler struct {
	perSender int
	budget    int

	names    map[string]string
	partials map[partialKey]*partial
	bytes    int
	clock    uint64 // counts fragments, to know which partial waits longest
	dropped  uint64
}

type partialKey struct {
	from   string
	number uint64
}

// partial is a payload of which fragments are missing. Its buffer has its final size from the start.
type partial struct {
	buf     []byte
	have    []bool // by fragment
	missing int
	used    uint64
}

func newAssembler(perSender, budget int) *assembler {
	return &assembler{
		perSender: perSender,
		budget:    budget,
		names:     make(map[string]string),
		partials:  make(map[partialKey]*partial),
	}
}

// take consumes one message, which it owns from here on, and returns the payload that it completes, if it does.
func (a *assembler) take(raw []byte) (from string, payload []byte, ok bool) {
	f, err := decodeFrame(raw)
	if err != nil {
		a.dropped++
		return "", nil, false
	}
	from = a.name(f.from)
	if !f.fragment {
		return from, f.body, true
	}
	payload, ok = a.add(from, f)
	return from, payload, ok
}

// name returns from as a string, always the same one, so that frames of known senders allocate nothing.
func (a *assembler) name(from []byte) string {
	if name, ok := a.names[string(from)]; ok {
		return name
	}
	if len(a.names) >= maxSenders {
		clear(a.names)
	}
	name := string(from)
	a.names[name] = name
	return name
}

func (a *assembler) add(from string, f frame) ([]byte, bool) {
	key := partialKey{from: from, number: f.number}
	p := a.partials[key]
	if p == nil {
		p = a.start(key, f.total)
	}
	i := f.offset / fragmentSize
	if len(p.buf) != f.total || p.have[i] {
		a.dropped++
		return nil, false
	}
	a.clock++
	p.used = a.clock
	p.have[i] = true
	p.missing--
	copy(p.buf[f.offset:], f.body)
	if p.missing > 0 {
		return nil, false
	}
	a.remove(key)
	return p.buf, true
}

// start makes room for a payload of total bytes and begins it.
func (a *assembler) start(key partialKey, total int) *partial {
	for a.count(key.from) >= a.perSender {
		a.giveUp(func(k partialKey) bool { return k.from == key.from })
	}
	for len(a.partials) > 0 && a.bytes+total > a.budget {
		a.giveUp(func(partialKey) bool { return true })
	}
	fragments := (total + fragmentSize - 1) / fragmentSize
	p := &partial{buf: make([]byte, total), have: make([]bool, fragments), missing: fragments}
	a.partials[key] = p
	a.bytes += total
	return p
}

func (a *assembler) count(from string) int {
	n := 0
	for key := range a.partials {
		if key.from == from {
			n++
		}
	}
	return n
}

// giveUp drops the partial that waits longest among those that match.
func (a *assembler) giveUp(match func(partialKey) bool) {
	var oldest partialKey
	var found *partial
	for key, p := range a.partials {
		if match(key) && (found == nil || p.used < found.used) {
			oldest, found = key, p
		}
	}
	a.remove(oldest)
	a.dropped++
}

func (a *assembler) remove(key partialKey) {
	a.bytes -= len(a.partials[key].buf)
	delete(a.partials, key)
}
