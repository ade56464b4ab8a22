package meter

import "strconv"

// Version is the version of the rewriting. It is part of a rewritten module's identity: two nodes agree on what a module
// does, and on the fuel that it takes, only when they rewrite it by the same rules.
const Version = 3

// Names of what a rewritten module exports in addition: its globals, and its start function.
const (
	FuelGlobal   = "kv_fuel"      // mutable i64: the fuel that is left until the next pause
	RestGlobal   = "kv_fuel_rest" // mutable i64: the fuel that is left behind that; both together start at Config.InitFuel
	StackGlobal  = "kv_stack"     // mutable i32: the stack weight that is left, starts at Config.StackBudget
	StartExport  = "kv_g_start"   // not a global: the module's start function, if it has one; the host calls it first
	globalPrefix = "kv_g"         // kv_g3 is the module's mutable global 3
)

// Config bounds what a module may use. Zero fields take their default.
type Config struct {
	// MaxTableEntries is the size to which each table may grow; 65,536 by default, at most 10,000,000. An entry takes
	// 8 bytes of the host's heap, which no memory limit covers.
	MaxTableEntries uint32
	// StackBudget is the weight, in bytes, of all frames that may be open at once; 4 MiB by default, at most 1 GiB.
	// Compiled frames may take up to four times their weight.
	StackBudget uint32
	// InitFuel is what the counters start with, for what the host calls before it sets them; 100,000,000 by default.
	InitFuel int64
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{MaxTableEntries: 64 << 10, StackBudget: 4 << 20, InitFuel: 100_000_000}
}

// Validate returns [ErrConfig] naming the first field that is out of range.
func (c Config) Validate() error {
	switch {
	case c.MaxTableEntries > 10_000_000:
		return configError("MaxTableEntries is over 10000000")
	case c.StackBudget > 1<<30:
		return configError("StackBudget is over 1 GiB")
	case c.InitFuel < 0:
		return configError("InitFuel is negative")
	default:
		return nil
	}
}

func (c Config) withDefaults() Config {
	d := DefaultConfig()
	if c.MaxTableEntries == 0 {
		c.MaxTableEntries = d.MaxTableEntries
	}
	if c.StackBudget == 0 {
		c.StackBudget = d.StackBudget
	}
	if c.InitFuel == 0 {
		c.InitFuel = d.InitFuel
	}
	return c
}

// Result is a rewritten module.
type Result struct {
	Info // of the module as it came

	// Module is the rewritten module; the caller owns it.
	Module []byte
	// Globals are the exported names of all mutable globals of the module itself, in the order of their indices. They and
	// the memory are what a host saves and restores between calls, see Info.Unrestorable; the counters, which
	// it sets before each call, are not among them.
	Globals []string
}

// Inspect parses a module without its functions' code, for a host's check of imports and exports. It returns
// [ErrNotWasm], [ErrComponent], [ErrMalformed], [ErrFeature], [ErrReserved] or [ErrLimit]; code is read by [Rewrite] alone.
func Inspect(data []byte) (*Info, error) {
	m, err := parse(data)
	if err != nil {
		return nil, err
	}
	return &m.Info, nil
}

// Rewrite returns a module that does what the given one does, metered; the package comment says how. It is a pure
// function: equal input and configuration give equal bytes. Types, functions, locals and globals are only appended, so no
// index shifts. Beyond the errors of [Inspect] it returns [ErrConfig]; ErrMalformed and ErrFeature may name places in the code.
func Rewrite(data []byte, c Config) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m, err := parse(data)
	if err != nil {
		return nil, err
	}
	w := newRewriter(m, c.withDefaults())
	if err := w.functions(); err != nil {
		return nil, err
	}
	out, err := w.assemble()
	if err != nil {
		return nil, err
	}
	m.Unrestorable = w.f.unrestorable
	return &Result{Info: m.Info, Module: out, Globals: w.globalNames()}, nil
}

// mutableGlobals returns the indices of the mutable globals.
func (m *module) mutableGlobals() []uint32 {
	var indices []uint32
	for i, g := range m.globals {
		if g.Mutable {
			indices = append(indices, uint32(i))
		}
	}
	return indices
}

func globalName(index uint32) string {
	return globalPrefix + strconv.FormatUint(uint64(index), 10)
}
