package plugins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/kvnode/kvnode/plugins/abi"
	"github.com/kvnode/kvnode/plugins/meter"
)

// instance is one instance of a module. One call at a time uses it.
type instance struct {
	module api.Module
	memory *linear
	// alloc and handle are the exports of the contract.
	alloc, handle api.Function
	// fuel is what is left until the next pause, rest what is left behind it.
	fuel, rest, depth api.MutableGlobal
	// budget is the fuel that the running call began with.
	budget uint64
	// initFuel is what initialisation used.
	initFuel uint64
	// frame is the address of the input buffer of abi.InitialFrameBytes.
	frame uint32
	// ctx carries the instance to the host functions. It is the engine's argument, not the caller's: a running call
	// cannot be cancelled.
	ctx     context.Context //nolint:containedctx // see above
	stack   [1]uint64
	console console
	random  uint64
	// broken says that a call of an export trapped: the instance is not used again.
	broken bool
	// calls counts those of an instance that is not restored, sample is the next one to be repeated.
	calls, sample uint64

	// pristine is what the state besides the memory was after initialisation.
	pristine struct {
		globals []savedGlobal
		random  uint64
	}
}

// savedGlobal is a mutable global and its value after initialisation.
type savedGlobal struct {
	global api.MutableGlobal
	value  uint64
}

// instanceKey is the key of an instance in its ctx.
type instanceKey struct{}

func instanceOf(ctx context.Context) *instance {
	i, ok := ctx.Value(instanceKey{}).(*instance)
	if !ok {
		panic("plugins: host function called without an instance")
	}
	return i
}

// newInstance instantiates and initialises. A *Trap says that the module itself failed; ErrABIVersion and ErrInitialise
// say that it answered wrongly; everything else is ErrHost.
func (m *Module) newInstance() (*instance, error) {
	i := &instance{sample: firstSample, memory: reserve(m.limits.MemoryBytes / pageBytes * pageBytes), budget: m.limits.InitFuel}
	if i.memory.reserved == nil {
		return nil, fmt.Errorf("%w: no memory for an instance", ErrHost)
	}
	i.console.out = m.throttle
	i.ctx = context.WithValue(context.Background(), instanceKey{}, i)
	if err := i.start(m); err != nil {
		return nil, errors.Join(err, i.close(i.ctx))
	}
	return i, nil
}

// start brings a new instance to the state in which it takes calls.
func (i *instance) start(m *Module) error {
	ctx := experimental.WithMemoryAllocator(i.ctx, experimental.MemoryAllocatorFunc(func(_, _ uint64) experimental.LinearMemory {
		return i.memory
	}))
	var err error
	i.module, err = m.runtime.InstantiateModule(ctx, m.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return &Trap{Reason: reasonOf(err) + i.console.complaint()}
	}
	if err := i.bind(m.globals); err != nil {
		return err
	}
	if err := i.initialise(); err != nil {
		return err
	}
	i.save()
	return nil
}

// bind looks up what calls need.
func (i *instance) bind(globals []string) error {
	i.alloc = i.module.ExportedFunction(abi.ExportAlloc)
	i.handle = i.module.ExportedFunction(abi.ExportConflict)
	for _, name := range append([]string{meter.FuelGlobal, meter.RestGlobal, meter.StackGlobal}, globals...) {
		g, ok := i.module.ExportedGlobal(name).(api.MutableGlobal)
		if !ok {
			return fmt.Errorf("%w: rewritten module lacks the global %s", ErrHost, name)
		}
		i.pristine.globals = append(i.pristine.globals, savedGlobal{global: g})
	}
	i.fuel, i.rest, i.depth = i.pristine.globals[0].global, i.pristine.globals[1].global, i.pristine.globals[2].global
	return nil
}

// initialise runs the start function and _initialize, asks for the version and for the input buffer.
func (i *instance) initialise() error {
	for _, name := range []string{meter.StartExport, abi.ExportInitialize} {
		if f := i.module.ExportedFunction(name); f != nil {
			if _, err := i.call(f, 0); err != nil {
				return err
			}
		}
	}
	version, err := i.call(i.module.ExportedFunction(abi.ExportVersion), 0)
	if err != nil {
		return err
	}
	if version != abi.Version {
		return fmt.Errorf("%w: the module speaks version %d, this node version %d", ErrABIVersion, version, abi.Version)
	}
	i.frame, err = i.call(i.alloc, abi.InitialFrameBytes)
	if err != nil {
		return err
	}
	if !i.holds(i.frame, abi.InitialFrameBytes) {
		return fmt.Errorf("%w: kv_alloc(%d) returned %#x, which is no such buffer", ErrInitialise, abi.InitialFrameBytes, i.frame)
	}
	return nil
}

// save keeps the state besides the memory for restore.
func (i *instance) save() {
	for n := range i.pristine.globals {
		g := &i.pristine.globals[n]
		g.value = g.global.Get()
	}
	i.pristine.random = i.random
	i.initFuel = i.used()
	i.console.reset()
}

// restore puts the instance back to the state after initialisation.
func (i *instance) restore(image *image) error {
	for n := range i.pristine.globals {
		i.pristine.globals[n].global.Set(i.pristine.globals[n].value)
	}
	i.forget()
	return image.restore(i.memory)
}

// forget puts back what the host itself keeps for a call.
func (i *instance) forget() {
	i.random = i.pristine.random
	i.console.reset()
}

// holds says whether the n bytes at addr are an aligned buffer within memory.
func (i *instance) holds(addr uint32, n uint64) bool {
	return addr != 0 && addr%abi.Align == 0 && uint64(addr)+n <= i.memory.size
}

// bytes is the memory as it is now; growing changes it.
func (i *instance) bytes() []byte { return i.memory.reserved[:i.memory.size] }

// refuel gives a call its budget: the first slice at once, the others at its pauses.
func (i *instance) refuel(budget uint64) {
	i.budget = budget
	i.memory.refused = false
	slice := min(budget, meter.Slice)
	i.fuel.Set(slice)
	i.rest.Set(budget - slice)
}

// left is the fuel that the running call has, below zero when it has used more.
func (i *instance) left() int64 { return int64(i.fuel.Get()) + int64(i.rest.Get()) }

// used is the fuel of the running call so far.
func (i *instance) used() uint64 {
	return min(i.budget, i.budget-uint64(max(i.left(), 0)))
}

// resolve runs the handler on one frame of a size, and fills v. Its value is a copy. After an error v means nothing.
func (i *instance) resolve(f *abi.Frame, size uint64, limits *Limits, v *Verdict) error {
	i.refuel(limits.Fuel)
	addr, err := i.place(size)
	if err != nil {
		return err
	}
	if addr == 0 {
		*v = Verdict{Kind: Failed, Fuel: i.used(), Message: fmt.Sprintf("the handler has no room for a frame of %d bytes", size)}
		return nil
	}
	f.Encode(i.bytes()[addr:], addr)
	status, err := i.call(i.handle, addr)
	if err != nil {
		return err
	}
	var out abi.Output
	if err := out.Decode(i.bytes(), addr, int32(status), len(f.Versions)); err != nil {
		return &Trap{Reason: "malformed verdict: " + err.Error(), Fuel: i.used()}
	}
	v.decide(&out, f, limits)
	v.Fuel = i.used()
	return nil
}

// place returns the address for a frame of a size, or 0 when the handler refuses one. A trap in kv_alloc refuses, too:
// runtimes that manage memory themselves know no other way.
func (i *instance) place(size uint64) (uint32, error) {
	if size <= abi.InitialFrameBytes {
		return i.frame, nil
	}
	size = 1 << bits.Len64(size-1)
	if size > uint64(len(i.memory.reserved)) {
		return 0, nil
	}
	addr, err := i.call(i.alloc, uint32(size))
	if err != nil || addr == 0 {
		return 0, nil //nolint:nilerr // see above
	}
	if !i.holds(addr, size) {
		return 0, &Trap{Reason: fmt.Sprintf("malformed buffer: kv_alloc(%d) returned %#x", size, addr), Fuel: i.used()}
	}
	return addr, nil
}

// call calls an export of at most one parameter and one result. Its error is a *Trap.
func (i *instance) call(f api.Function, arg uint32) (uint32, error) {
	i.stack[0] = uint64(arg)
	if err := f.CallWithStack(i.ctx, i.stack[:]); err != nil {
		return 0, i.trap(err)
	}
	return uint32(i.stack[0]), nil
}

// trap explains the error of a call. The counters come first: a call that ran out of them ends in "unreachable".
func (i *instance) trap(err error) *Trap {
	i.broken = true
	t := &Trap{Reason: reasonOf(err) + i.console.complaint() + i.memory.refusal(), Fuel: i.used()}
	switch {
	case i.left() < 0:
		t.Reason = fmt.Sprintf("out of fuel: more than %d units", i.budget)
	case int32(i.depth.Get()) < 0:
		t.Reason = "out of stack: calls nest too deep"
	}
	return t
}

// reasonOf returns what the engine says of a failed call, without the stack trace.
func reasonOf(err error) string {
	if v, ok := errors.AsType[*violation](err); ok {
		return v.reason
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimPrefix(text, "wasm error: ")
}

// nextRandom steps the fixed stream that random_get reads.
func (i *instance) nextRandom() uint64 {
	z := splitMix(i.random)
	i.random += splitMixStep
	return z
}

// splitMixStep is what the state of SplitMix64 grows by.
const splitMixStep = 0x9e3779b97f4a7c15

// splitMix is the number that SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) makes of a state.
func splitMix(state uint64) uint64 {
	z := state + splitMixStep
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// close frees the instance. It may be half made.
func (i *instance) close(ctx context.Context) error {
	defer i.memory.Free()
	if i.module == nil {
		return nil
	}
	return i.module.Close(ctx)
}

// decide makes v the verdict, without its fuel, that a decoded output means.
func (v *Verdict) decide(out *abi.Output, f *abi.Frame, limits *Limits) {
	switch out.Status {
	case abi.StatusKeep:
		*v = Verdict{Kind: Keep}
	case abi.StatusDelete:
		*v = Verdict{Kind: Delete}
	case abi.StatusPick:
		*v = Verdict{Kind: Pick, Index: out.Index, Value: f.Versions[out.Index].Value}
	case abi.StatusError:
		*v = Verdict{Kind: Failed, Message: message(out.Value)}
	case abi.StatusSet:
		if uint64(len(out.Value)) > limits.OutputBytes {
			*v = Verdict{Kind: Failed}
			v.Message = fmt.Sprintf("the handler's value has %d bytes, at most %d are allowed", len(out.Value), limits.OutputBytes)
			return
		}
		*v = Verdict{Kind: Set, Value: append([]byte{}, out.Value...)}
	}
}

// maxMessageBytes is how much of a handler's own error is kept.
const maxMessageBytes = 4 << 10

// message makes valid text of a handler's own error.
func message(b []byte) string {
	b = b[:min(len(b), maxMessageBytes)]
	return string(bytes.ToValidUTF8(bytes.TrimSpace(b), []byte("?")))
}
