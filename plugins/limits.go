package plugins

import "fmt"

// Limits bound what a handler may use. All are deterministic: a call that stays within them at one node does so at
// every node. Zero fields mean the defaults.
type Limits struct {
	// MemoryBytes is the most memory of one instance, rounded down to pages of 64 KiB; default 16 MiB. A Go handler needs
	// 4 MiB. Growing beyond it fails inside the handler.
	MemoryBytes uint64
	// Fuel is what one call may use; default 20 million, some 10 milliseconds.
	Fuel uint64
	// InitFuel is what initialisation may use, once for each instance; default 80 million, several times what a Go
	// handler needs.
	InitFuel uint64
	// OutputBytes is the longest value that a handler may set; default 8 MiB, the longest value of a table.
	OutputBytes uint64
	// ModuleBytes is the largest module; default 16 MiB.
	ModuleBytes uint64
	// FrameBytes is the largest input; default 64 MiB. MemoryBytes usually ends it earlier.
	FrameBytes uint64
	// Versions is the most versions that one conflict may have; default 256.
	Versions int
	// TableEntries is the most entries of each function table; default 65536.
	TableEntries uint32
	// StackBytes is what the frames of nested calls may take together; default 4 MiB. The rewriter weighs frames, so
	// that calls nest equally deep everywhere; a compiled frame may take up to four times its weight.
	StackBytes uint32
	// Reset says what a call may find of the calls before it; default ResetStrict: nothing.
	Reset Reset
}

// DefaultLimits returns the limits that hold where nothing else is said.
func DefaultLimits() Limits {
	return Limits{
		MemoryBytes:  16 << 20,
		Fuel:         20_000_000,
		InitFuel:     80_000_000,
		OutputBytes:  8 << 20,
		ModuleBytes:  16 << 20,
		FrameBytes:   64 << 20,
		Versions:     256,
		TableEntries: 64 << 10,
		StackBytes:   4 << 20,
		Reset:        ResetStrict,
	}
}

// Bounds of the limits themselves: what this host can honour.
const (
	pageBytes      = 64 << 10
	maxMemoryBytes = 1 << 30
	maxFuel        = 10_000_000_000
	maxFrameBytes  = 1 << 30
	maxTable       = 1 << 20
	maxStackBytes  = 8 << 20
)

// Validate returns ErrConfig, naming the field, for limits that no handler could live with or no host could honour.
func (l Limits) Validate() error {
	l = l.withDefaults()
	switch {
	case l.MemoryBytes < 2*pageBytes || l.MemoryBytes > maxMemoryBytes:
		return fmt.Errorf("%w: MemoryBytes (--memory-bytes) is %d, want 128 KiB to 1 GiB", ErrConfig, l.MemoryBytes)
	case l.Fuel > maxFuel:
		return fmt.Errorf("%w: Fuel (--fuel) is %d, want at most %d", ErrConfig, l.Fuel, uint64(maxFuel))
	case l.InitFuel > maxFuel:
		return fmt.Errorf("%w: InitFuel is %d, want at most %d", ErrConfig, l.InitFuel, uint64(maxFuel))
	case l.FrameBytes > maxFrameBytes:
		return fmt.Errorf("%w: FrameBytes is %d, want at most 1 GiB", ErrConfig, l.FrameBytes)
	case l.TableEntries > maxTable:
		return fmt.Errorf("%w: TableEntries is %d, want at most %d", ErrConfig, l.TableEntries, maxTable)
	case l.StackBytes > maxStackBytes:
		return fmt.Errorf("%w: StackBytes is %d, want at most 8 MiB", ErrConfig, l.StackBytes)
	case l.Reset != ResetStrict && l.Reset != ResetNone:
		return fmt.Errorf("%w: Reset (--reset) is %.20q, want %q or %q", ErrConfig, l.Reset, ResetStrict, ResetNone)
	case l.Versions < 2:
		return fmt.Errorf("%w: Versions is %d, want at least 2", ErrConfig, l.Versions)
	}
	return nil
}

// withDefaults fills the zero fields.
func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	orElse(&l.MemoryBytes, d.MemoryBytes)
	orElse(&l.Fuel, d.Fuel)
	orElse(&l.InitFuel, d.InitFuel)
	orElse(&l.OutputBytes, d.OutputBytes)
	orElse(&l.ModuleBytes, d.ModuleBytes)
	orElse(&l.FrameBytes, d.FrameBytes)
	orElse(&l.Versions, d.Versions)
	orElse(&l.TableEntries, d.TableEntries)
	orElse(&l.StackBytes, d.StackBytes)
	orElse(&l.Reset, d.Reset)
	return l
}

// orElse sets a field that is zero.
func orElse[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// refusal is what a trap says of memory that the call did not get, or nothing.
func (l *linear) refusal() string {
	if !l.refused {
		return ""
	}
	limit, unit := len(l.reserved)>>10, "KiB"
	if limit%1024 == 0 {
		limit, unit = limit>>10, "MiB"
	}
	return fmt.Sprintf(" (the memory limit of %d %s was reached)", limit, unit)
}
