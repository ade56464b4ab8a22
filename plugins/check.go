package plugins

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kvnode/kvnode/plugins/abi"
	"github.com/kvnode/kvnode/plugins/meter"
)

// prepare checks everything about a module that can be told without running it, and rewrites it. Its errors are
// ErrModule and tell the author what to change.
func prepare(module []byte, l Limits) (*meter.Result, error) {
	if uint64(len(module)) > l.ModuleBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed: strip it of symbols and debug information",
			ErrModuleTooLarge, len(module), l.ModuleBytes)
	}
	info, err := meter.Inspect(module)
	if err != nil {
		return nil, moduleError(err)
	}
	if err := checkContract(info, l); err != nil {
		return nil, err
	}
	r, err := meter.Rewrite(module, meter.Config{
		MaxTableEntries: l.TableEntries, StackBudget: l.StackBytes, InitFuel: int64(l.InitFuel),
	})
	if err != nil {
		return nil, moduleError(err)
	}
	return r, nil
}

// moduleError translates what the rewriter says of a module.
func moduleError(err error) error {
	for _, kind := range []struct{ meter, ours error }{
		{meter.ErrNotWasm, ErrNotModule},
		{meter.ErrComponent, ErrComponent},
		{meter.ErrFeature, ErrFeature},
		{meter.ErrMalformed, ErrMalformed},
	} {
		if errors.Is(err, kind.meter) {
			return &rewriteError{kind: kind.ours, meter: err, text: kind.ours.Error() + strings.TrimPrefix(err.Error(), kind.meter.Error())}
		}
	}
	return fmt.Errorf("%w: %w", ErrModule, err)
}

// rewriteError is what the rewriter says of a module, under the name that it has here and not under both.
type rewriteError struct {
	kind, meter error
	text        string
}

// Error says the fault.
func (f *rewriteError) Error() string { return f.text }

// Unwrap makes it both errors.
func (f *rewriteError) Unwrap() []error { return []error{f.kind, f.meter} }

// checkContract compares imports, exports and memory with the contract.
func checkContract(info *meter.Info, l Limits) error {
	_, program := info.Export(abi.ExportStart)
	if _, reactor := info.Export(abi.ExportInitialize); program && !reactor {
		return ErrNotReactor
	}
	if err := checkImports(info.Imports); err != nil {
		return err
	}
	if e, ok := info.Export(abi.ExportMemory); !ok || e.Kind != meter.KindMemory {
		return fmt.Errorf("%w: the memory, named %q", ErrExport, abi.ExportMemory)
	}
	if size := uint64(info.MemoryMin) * pageBytes; size > l.MemoryBytes {
		return fmt.Errorf("%w: it starts with %d bytes, at most %d are allowed", ErrMemory, size, l.MemoryBytes)
	}
	return checkExports(info)
}

// checkImports refuses every import that the host does not answer.
func checkImports(imports []meter.Import) error {
	allowed := allowedImports()
	for _, i := range imports {
		name := i.Module + "." + i.Name
		f, ok := allowed[name]
		if !ok || i.Kind != meter.KindFunc {
			return fmt.Errorf("%w: it imports the %s %s%s", ErrImport, i.Kind, name, importAdvice(i))
		}
		if signatureOf(i.Func) != f.signature {
			return fmt.Errorf("%w: it imports %s as %s, the host's is %s", ErrSignature, name, i.Func, typesOf(f.signature))
		}
	}
	return nil
}

// importAdvice says where an import comes from that toolchains add, or nothing.
func importAdvice(i meter.Import) string {
	switch {
	case i.Module != abi.ImportWASI:
		return ""
	case strings.HasPrefix(i.Name, "path_"):
		return "; remove what reads files, such as package os"
	case strings.HasPrefix(i.Name, "sock_"):
		return "; remove what uses the network, such as package net"
	}
	return ""
}

// checkExports asks for the functions of the contract.
func checkExports(info *meter.Info) error {
	for _, want := range []struct {
		name, signature string
		optional        bool
	}{
		{name: abi.ExportInitialize, signature: ":", optional: true},
		{name: abi.ExportVersion, signature: ":i"},
		{name: abi.ExportAlloc, signature: "i:i"},
		{name: abi.ExportConflict, signature: "i:i"},
	} {
		e, ok := info.Export(want.name)
		switch {
		case !ok && want.optional:
		case !ok || e.Kind != meter.KindFunc:
			return fmt.Errorf("%w: the function %s%s; handlers that use an SDK get it from there", ErrExport, want.name, typesOf(want.signature))
		case signatureOf(e.Func) != want.signature:
			return fmt.Errorf("%w: it exports %s as %s, the contract's is %s", ErrSignature, want.name, e.Func, typesOf(want.signature))
		}
	}
	return nil
}

// typesOf writes a hostFunc's signature for people: "(i32 i64) -> (i32)".
func typesOf(signature string) string {
	words := func(letters string) string {
		names := make([]string, len(letters))
		for i, c := range letters {
			names[i] = "i32"
			if c == 'I' {
				names[i] = "i64"
			}
		}
		return "(" + strings.Join(names, " ") + ")"
	}
	params, results, _ := strings.Cut(signature, ":")
	return words(params) + " -> " + words(results)
}
