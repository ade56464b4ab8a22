package meter

// Prices in fuel that are not in the table of opcodes.
const (
	costDivide = 8   // division, remainder, square root
	costFloat  = 3   // float arithmetic together with making its NaN canonical
	costHost   = 50  // calls of the host, memory.grow, table.grow
	costRef    = 300 // ref.func, which asks the runtime
	costBulk   = 20  // bulk memory and table operations, besides their length
	costCall   = 4   // calls, besides the values that they move
	costTable  = 8   // the look-up and type check of call_indirect

	costPiece   = 1 // charging for a straight piece of code
	costChecked = 2 // charging and checking, at entries and loop heads
	costFrame   = 2 // taking and giving back stack weight

	// Bytes of memory that bulk operations move for one unit, as a shift; entries of tables and pages cost a unit each.
	shiftBytes   = 3
	shiftEntries = 0

	// localsPerUnit declared locals are set to zero for one unit.
	localsPerUnit = 8
)

// The weight of a frame, in bytes, follows the compiled frame from above to within a factor of about four: a compiler
// may keep a slot for each local and for each value that the code makes, and one opcode makes more than a few values
// only when it names a type that says so.
const (
	weightFrame = 64
	weightValue = 8
	weightMax   = 1 << 29

	// A function that calls nothing stands on top of the stack alone; while it is light it goes unweighed.
	weightLeaf = 1 << 10
)
