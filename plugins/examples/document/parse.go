package main

import "errors"

// Bounds of what is merged: a text beyond them would use up the stack or the fuel, which is a trap, where a refusal is none.
const (
	maxDepth = 100
	// maxBytes is the size of all versions and their base together. Objects of the smallest fields take 2,300 units of fuel a byte.
	maxBytes    = 16 << 10
	maxVersions = 32
)

var (
	errDeep   = errors.New("it is nested deeper than 100 levels")
	errSyntax = errors.New("it is not well formed")
)

// parse reads one JSON text (RFC 8259). The text is read once, and taken over without its white space: package encoding/json would take ten times
// the fuel.
func parse(text []byte) (node, error) {
	p := parser{text: text, out: make([]byte, 0, len(text))}
	p.value(0)
	p.space()
	switch {
	case p.deep:
		return nil, errDeep
	case p.bad || p.at < len(text):
		return nil, errSyntax
	}
	return p.out, nil
}

// parser reads text from at on. Once it is bad, it stays there.
type parser struct {
	text, out []byte
	at        int
	bad, deep bool
}

// peek returns the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\n' || p.text[p.at] == '\t' || p.text[p.at] == '\r') {
		p.at++
	}
}

func (p *parser) fail() { p.bad, p.at = true, len(p.text) }

// take takes over one byte, which must be c.
func (p *parser) take(c byte) {
	if p.peek() != c {
		p.fail()
		return
	}
	p.out = append(p.out, c)
	p.at++
}

func (p *parser) value(depth int) {
	p.space()
	switch c := p.peek(); c {
	case '{':
		p.list(depth, '}', p.field)
	case '[':
		p.list(depth, ']', p.value)
	case '"':
		p.quoted()
	case 't':
		p.word("true")
	case 'f':
		p.word("false")
	case 'n':
		p.word("null")
	default:
		p.number()
	}
}

// list reads what stands in brackets, item by item.
func (p *parser) list(depth int, end byte, item func(depth int)) {
	if depth >= maxDepth {
		p.deep = true
		p.fail()
		return
	}
	p.take(p.peek())
	if p.space(); p.peek() == end {
		p.take(end)
		return
	}
	for {
		item(depth + 1)
		if p.space(); p.peek() != ',' {
			p.take(end)
			return
		}
		p.take(',')
	}
}

func (p *parser) field(depth int) {
	p.space()
	p.quoted()
	p.space()
	p.take(':')
	p.value(depth)
}

// quoted reads a string.
func (p *parser) quoted() {
	begin := p.at
	p.take('"')
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			p.out = append(p.out, p.text[begin+1:p.at]...)
			return
		case c < ' ':
			p.fail()
		case c == '\\':
			p.escape()
		default:
			p.at++
		}
	}
	p.fail()
}

// escape passes what stands behind a backslash.
func (p *parser) escape() {
	p.at++
	switch p.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		p.at++
	case 'u':
		p.at++
		for range 4 {
			if c := p.peek() | 0x20; !isDigit(p.peek()) && (c < 'a' || c > 'f') {
				p.fail()
				return
			}
			p.at++
		}
	default:
		p.fail()
	}
}

func (p *parser) word(w string) {
	for i := range len(w) {
		p.take(w[i])
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// number reads a number; it stays as it is spelt.
func (p *parser) number() {
	begin := p.at
	p.skip('-')
	if !p.skip('0') {
		p.digits()
	}
	if p.skip('.') {
		p.digits()
	}
	if p.skip('e') || p.skip('E') {
		_ = p.skip('+') || p.skip('-')
		p.digits()
	}
	p.out = append(p.out, p.text[begin:p.at]...)
}

// skip passes a byte if it is c.
func (p *parser) skip(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.at++
	return true
}

// digits passes one digit or more.
func (p *parser) digits() {
	begin := p.at
	for p.at < len(p.text) && isDigit(p.text[p.at]) {
		p.at++
	}
	if p.at == begin {
		p.fail()
	}
}
