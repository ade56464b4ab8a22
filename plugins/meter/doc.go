// Package meter rewrites a core WebAssembly module so that what it does is bounded and the same on every machine:
// fuel, stack weight, canonical NaNs and clamped tables. A runtime that knows nothing of fuel then runs strangers' code
// safely, at full speed and without a clock.
//
// # What a rewritten module does
//
// It counts. Every straight piece of code takes its price from the global [FuelGlobal] before it runs, and every
// function that calls others takes its frame's weight from the global [StackGlobal] and gives it back when it returns.
// Function entries, loop heads, pieces that call the host and operations whose length is known only at run time look
// whether a counter is below zero; the other pieces only subtract, and an exported function looks once more before it
// returns. Below zero it pauses: what is in [RestGlobal] is added to FuelGlobal, and if that, or the stack, still is below zero, the
// module traps (unreachable). Otherwise FuelGlobal keeps a [Slice], RestGlobal takes the others, and the runtime is entered
// for a moment. So work past the end is bounded by one pass through the loopless part of one function, and a
// call that returns to the host normally always leaves FuelGlobal >= 0.
//
// The pauses are for the process around: compiled code cannot be interrupted, and a garbage collector that has to stop all threads, for
// one, would wait for the whole call. The fuel that a call takes does not depend on how it is sliced.
//
// # What the host does
//
// A module's start function does not run by itself, so that the host can tell why it traps: the host calls [StartExport], if there is one,
// once the module is instantiated.
//
// Before each call it sets the globals: kv_fuel to the call's limit or a Slice, whichever is less, kv_fuel_rest to the remainder, and kv_stack to
// [Config].StackBudget. After a trap it reads them, in this order:
//
//	kv_fuel + kv_fuel_rest < 0   the fuel is exhausted
//	kv_stack < 0                 the stack is exhausted
//	otherwise                    the module trapped by itself; the runtime's error says how
//
// An operation with a run-time length is charged before it is carried out, so one of absurd length that would have been
// out of bounds reports exhausted fuel. After any trap kv_stack holds whatever the abandoned frames took: set it again,
// or throw the instance away. Counters that are below zero stay so; neither can wrap around within one call.
//
// # What is the same everywhere
//
// Fuel depends on the code and its input alone: an interpreter and a compiler use the same amount. So do NaN bits and
// the depth at which the stack is exhausted, as long as the runtime's own limit is higher: wazero's compiler allows 400 MB,
// its interpreter 2,000 frames, which a deep but permitted recursion exceeds. What
// a rewritten module can still observe is its memory's limit, what its imports return, and its earlier calls: see
// [Result].Globals and [Info].Unrestorable for what has to be put back between calls.
//
// # Hostile input
//
// The parser neither recurses nor allocates by a number that the input merely claims, and it refuses what would make
// a runtime do so ([ErrLimit]). Give the runtime the result and never the input: reading names, for one, wazero
// allocates whatever the section claims. Nothing is lost by that. Types are not checked here, but a module that is invalid
// stays invalid when it is rewritten, so the runtime's validation of the result is also that of the input.
package meter
