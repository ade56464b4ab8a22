package meter

// Opcodes that the rewriter handles by themselves, or writes.
const (
	opUnreachable  = 0x00
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opDrop         = 0x1a
	opSelect       = 0x1b
	opSelectTyped  = 0x1c
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opTableGet     = 0x25
	opTableSet     = 0x26
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI32LtS       = 0x48
	opI64LtS       = 0x53
	opI64GtS       = 0x55
	opF32Eq        = 0x5b
	opF32Ge        = 0x60
	opF64Ge        = 0x66
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI32Or        = 0x72
	opI64Add       = 0x7c
	opI64Sub       = 0x7d
	opI64Or        = 0x84
	opI64ShrU      = 0x88
	opI64ExtendS   = 0xac
	opI64ExtendU   = 0xad
	opRefNull      = 0xd0
	opRefIsNull    = 0xd1
	opRefFunc      = 0xd2
	opPrefix       = 0xfc
)

// Opcodes behind opPrefix.
const (
	opMemoryInit = 8 + iota
	opDataDrop
	opMemoryCopy
	opMemoryFill
	opTableInit
	opElemDrop
	opTableCopy
	opTableGrow
	opTableSize
	opTableFill
)

const emptyBlock = 0x40

// immediate says what follows an opcode.
type immediate uint8

const (
	immRefused immediate = iota // not an opcode of a supported feature
	immNone
	immLocal
	immMemArg
	immShort   // LEB128 of at most 32 bits
	immLong    // LEB128 of at most 64 bits
	immFour    // 4 bytes
	immEight   // 8 bytes
	immSpecial // control, calls and all that is not just copied
)

// opInfo is what the rewriter knows of an opcode.
type opInfo struct {
	imm  immediate
	cost uint16
	// nan is the type of the result when the bits of a NaN result are left open by the specification, otherwise 0.
	nan ValType
	// blind says that no bit of a NaN among the operands can be seen afterwards.
	blind bool
	// pops and pushes are the change of the stack, both 0 for instructions that end an expression.
	pops, pushes uint8
}

// opTable is indexed by opcode.
type opTable [256]opInfo

// set describes the opcodes from..to.
func (t *opTable) set(imm immediate, cost uint16, from, to int) {
	for op := from; op <= to; op++ {
		t[op].imm, t[op].cost = imm, cost
	}
}

// newOpTable lists the supported one-byte opcodes with their prices in fuel. A unit is a fraction of a nanosecond
// of compiled code (BenchmarkTimePerUnit); what compiles to nothing (constants, reads of locals, the brackets of blocks) is free.
func newOpTable() *opTable {
	t := &opTable{}
	t.set(immSpecial, 0, opUnreachable, opUnreachable)
	t.set(immNone, 0, 0x01, 0x01) // nop
	t.set(immSpecial, 0, opBlock, opElse)
	t.set(immSpecial, 0, opEnd, opCallIndirect)
	t.set(immNone, 0, opDrop, opDrop)
	t.set(immNone, 1, opSelect, opSelect)
	t.set(immSpecial, 1, opSelectTyped, opSelectTyped)
	t.set(immLocal, 0, opLocalGet, opLocalGet)
	t.set(immLocal, 1, opLocalSet, opLocalTee)
	t.set(immSpecial, 1, opGlobalGet, opGlobalGet)
	t.set(immSpecial, 2, opGlobalSet, opGlobalSet)
	t.set(immSpecial, 4, opTableGet, opTableSet)
	t.set(immMemArg, 2, 0x28, 0x3e) // loads and stores
	t.set(immSpecial, 1, opMemorySize, opMemorySize)
	t.set(immSpecial, costHost, opMemoryGrow, opMemoryGrow)
	t.set(immShort, 0, opI32Const, opI32Const)
	t.set(immLong, 0, opI64Const, opI64Const)
	t.set(immFour, 0, opF32Const, opF32Const)
	t.set(immEight, 0, opF64Const, opF64Const)
	t.set(immNone, 1, 0x45, 0xc4) // comparisons, arithmetic, conversions
	for _, div := range [][2]int{{0x6d, 0x70}, {0x7f, 0x82}} {
		t.set(immNone, costDivide, div[0], div[1])
	}
	t.set(immSpecial, 1, opRefNull, opRefNull)
	t.set(immNone, 1, opRefIsNull, opRefIsNull)
	t.set(immSpecial, costRef, opRefFunc, opRefFunc)
	t.set(immSpecial, 0, opPrefix, opPrefix)
	t.setHeights()
	t.setFloats()
	return t
}

// setHeights says how the parts of expressions change the height of the stack.
func (t *opTable) setHeights() {
	heights := func(pops, pushes uint8, from, to int) {
		for op := from; op <= to; op++ {
			t[op].pops, t[op].pushes = pops, pushes
		}
	}
	heights(0, 1, opLocalGet, opLocalGet)
	heights(0, 1, opI32Const, opF64Const)
	heights(1, 0, opDrop, opDrop)
	heights(1, 1, 0x28, 0x35) // loads
	heights(2, 1, 0x45, 0xa6) // all numeric operations but these:
	for _, unary := range [][2]int{{0x45, 0x45}, {0x50, 0x50}, {0x67, 0x69}, {0x79, 0x7b}, {0x8b, 0x91}, {0x99, 0x9f}, {0xa7, 0xc4}} {
		heights(1, 1, unary[0], unary[1])
	}
}

// setFloats marks what has to do with NaN.
//
// The specification leaves the sign and payload of a NaN result open for arithmetic, min and max, square root, rounding
// to an integral value, demotion and promotion. All other operations fix their bits: abs, neg and copysign touch the
// sign alone; loads, constants, reinterpretations, locals, select and calls copy; conversions from integers make no NaN.
// A NaN that is read from memory keeps its bits until it meets an operation of the first kind.
func (t *opTable) setFloats() {
	for op := 0x8e; op <= 0x97; op++ { // f32: ceil floor trunc nearest sqrt add sub mul div min max
		t.setNaN(op, F32)
	}
	for op := 0x9b; op <= 0xa5; op++ { // f64: the same
		t.setNaN(op, F64)
	}
	t.setNaN(0x8d, F32)                  // f32.ceil
	t.setNaN(0xb6, F32)                  // f32.demote_f64
	t.setNaN(0xbb, F64)                  // f64.promote_f32
	for _, op := range []int{0x91, 0x95, // f32.sqrt f32.div
		0x9f, 0xa3} { // f64.sqrt f64.div
		t[op].cost = costDivide
	}
	for op := opF32Eq; op <= opF64Ge; op++ {
		t[op].blind = true
	}
	for _, op := range []int{0xa8, 0xa9, 0xaa, 0xab, 0xae, 0xaf, 0xb0, 0xb1} { // truncations, which trap on any NaN
		t[op].blind = true
		t[op].cost = costFloat
	}
	t[opDrop].blind = true
}

func (t *opTable) setNaN(op int, result ValType) {
	t[op].cost, t[op].nan, t[op].blind = costFloat, result, true
}

// refusedOp names the feature that an unsupported opcode belongs to.
func refusedOp(at int, op byte) error {
	switch {
	case op == 0xfd:
		return unsupported(at, featureSIMD)
	case op == 0xfe:
		return unsupported(at, featureThreads)
	case op >= 0x06 && op <= 0x0a, op == 0x18, op == 0x19, op == 0x1f:
		return unsupported(at, featureExceptions)
	case op == 0x12, op == 0x13:
		return unsupported(at, featureTailCalls)
	case op == 0x14, op == 0x15, op >= 0xd3 && op <= 0xd6, op == 0xfb:
		return unsupported(at, featureGC)
	default:
		return malformed(at, "unknown opcode")
	}
}
