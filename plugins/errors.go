package plugins

import (
	"errors"
	"fmt"
)

// Errors about a module that is to be checked or loaded. All of them are ErrModule; their texts say what to change.
var (
	// ErrModule is what every error about a module wraps.
	ErrModule = errors.New("bad module")
	// ErrModuleTooLarge refuses a module above Limits.ModuleBytes.
	ErrModuleTooLarge = fmt.Errorf("%w: too large", ErrModule)
	// ErrNotModule refuses bytes that are no WebAssembly at all.
	ErrNotModule = fmt.Errorf("%w: not WebAssembly", ErrModule)
	// ErrComponent refuses a component.
	ErrComponent = fmt.Errorf("%w: this is a component, a handler is a core module: build for wasm32-unknown-unknown or wasip1, not wasip2", ErrModule)
	// ErrFeature refuses a module that uses a feature that is not deterministic or not bounded.
	ErrFeature = fmt.Errorf("%w: feature not allowed", ErrModule)
	// ErrMalformed refuses a module that no engine would accept.
	ErrMalformed = fmt.Errorf("%w: malformed", ErrModule)
	// ErrNotReactor refuses a program: something with a main function that runs once and ends.
	ErrNotReactor = fmt.Errorf("%w: this is a program (it exports _start), build a reactor: "+
		"Go: -buildmode=c-shared; Rust: --crate-type cdylib; C and C++: -nostdlib -Wl,--no-entry or -mexec-model=reactor", ErrModule)
	// ErrImport refuses a module that wants something of its surroundings.
	ErrImport = fmt.Errorf("%w: import not allowed, handlers reach nothing: no file system, network, environment, clock or other module", ErrModule)
	// ErrExport refuses a module that lacks one of the functions or the memory of the contract.
	ErrExport = fmt.Errorf("%w: export missing", ErrModule)
	// ErrSignature refuses an import or export of the right name and the wrong type.
	ErrSignature = fmt.Errorf("%w: wrong signature", ErrModule)
	// ErrMemory refuses a module whose memory starts above Limits.MemoryBytes.
	ErrMemory = fmt.Errorf("%w: memory above the limit", ErrModule)
	// ErrABIVersion refuses a module that was built for another version of the contract.
	ErrABIVersion = fmt.Errorf("%w: wrong ABI version", ErrModule)
	// ErrInitialise refuses a module whose initialisation traps, runs out of fuel or refuses the input buffer.
	ErrInitialise = fmt.Errorf("%w: initialisation failed", ErrModule)
)

// Errors about calls. None of them says anything about the handler.
var (
	// ErrHost means that this node cannot run the call now: no memory for an instance, or closed. Try again.
	ErrHost = errors.New("plugin host")
	// ErrClosed is the ErrHost of a Module or Host that was closed.
	ErrClosed = fmt.Errorf("%w: closed", ErrHost)
	// ErrImpure is what a module with ResetNone is found to be whose verdict, or whose fuel, depends on earlier calls.
	ErrImpure = errors.New("handler depends on earlier calls: install it without reset=none")
	// ErrInput refuses fewer than two versions, or versions that do not ascend by (Time, Origin).
	ErrInput = errors.New("bad conflict: it needs two or more versions, ascending by time and origin, none twice")
)

// Errors about configuration.
var (
	// ErrConfig refuses a Config or Limits, naming the field.
	ErrConfig = errors.New("bad plugin configuration")
	// ErrTightLimits refuses limits with which a module cannot be initialised, or cannot decide the smallest conflict.
	ErrTightLimits = fmt.Errorf("%w: a limit is too low for this module, raise it or leave it out", ErrConfig)
	// ErrCacheDir refuses a compilation cache directory: it holds executable code.
	ErrCacheDir = fmt.Errorf("%w: CacheDir", ErrConfig)
)

// Trap is the error of a call that ended by violating the contract: out of bounds, unreachable, out of fuel or stack,
// an unknown status or an output outside memory. It is a function of module, limits and input: every node that makes
// this call gets the same Trap.
type Trap struct {
	// Reason says what happened, in lower case.
	Reason string
	// Fuel is how much the call used.
	Fuel uint64
}

// Error says the reason.
func (t *Trap) Error() string { return "handler trapped: " + t.Reason }
