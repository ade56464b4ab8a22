package plugins

import (
	"context"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/kvnode/kvnode/plugins/abi"
	"github.com/kvnode/kvnode/plugins/meter"
)

// hostFunc answers one import. signature lists the parameters, a colon and the results, each as one letter: i is an
// i32, I an i64. stack holds the parameters, and takes the result.
type hostFunc struct {
	signature string
	call      func(g guest, stack []uint64)
}

// allowedImports returns everything that a module may import, by "module.name". What toolchains insist on is answered
// with fixed values; nothing here tells one call from another, or one node from another.
func allowedImports() map[string]hostFunc {
	funcs := map[string]hostFunc{
		abi.ImportLog + ".log":   {"iii:", guest.log},
		abi.ImportEnv + ".abort": {"iiii:", guest.abort},
	}
	for name, f := range wasiFuncs() {
		funcs[abi.ImportWASI+"."+name] = f
	}
	return funcs
}

// wasiFuncs returns the functions of WASI preview 1 that do not reach for anything. path_ and sock_ functions are not
// among them: a module that imports one wants a file system or a network.
func wasiFuncs() map[string]hostFunc {
	funcs := map[string]hostFunc{
		"args_get":          {"ii:i", guest.succeed},
		"args_sizes_get":    {"ii:i", guest.nothingToGet},
		"environ_get":       {"ii:i", guest.succeed},
		"environ_sizes_get": {"ii:i", guest.nothingToGet},
		"clock_res_get":     {"ii:i", guest.clockRes},
		"clock_time_get":    {"iIi:i", guest.clockTime},
		"random_get":        {"ii:i", guest.random},
		"fd_write":          {"iiii:i", guest.write},
		"poll_oneoff":       {"iiii:i", guest.notSupported},
		"proc_exit":         {"i:", guest.exit},
		"sched_yield":       {":i", guest.succeed},
	}
	for name, signature := range map[string]string{
		"fd_advise": "iIIi:i", "fd_allocate": "iII:i", "fd_close": "i:i", "fd_datasync": "i:i", "fd_fdstat_get": "ii:i",
		"fd_fdstat_set_flags": "ii:i", "fd_fdstat_set_rights": "iII:i", "fd_filestat_get": "ii:i",
		"fd_filestat_set_size": "iI:i", "fd_filestat_set_times": "iIIi:i", "fd_pread": "iiiIi:i",
		"fd_prestat_get": "ii:i", "fd_prestat_dir_name": "iii:i", "fd_pwrite": "iiiIi:i", "fd_read": "iiii:i",
		"fd_readdir": "iiiIi:i", "fd_renumber": "ii:i", "fd_seek": "iIii:i", "fd_sync": "i:i", "fd_tell": "ii:i",
	} {
		funcs[name] = hostFunc{signature, guest.badFile}
	}
	return funcs
}

// signatureOf writes a function's type the way hostFunc does.
func signatureOf(t meter.FuncType) string {
	letters := func(types []meter.ValType) string {
		var b strings.Builder
		for _, t := range types {
			switch t {
			case meter.I32:
				b.WriteByte('i')
			case meter.I64:
				b.WriteByte('I')
			case meter.F32, meter.F64, meter.FuncRef, meter.ExternRef:
				b.WriteByte('?')
			}
		}
		return b.String()
	}
	return letters(t.Params) + ":" + letters(t.Results)
}

// valueTypes is the inverse of signatureOf for one side of the colon.
func valueTypes(letters string) []api.ValueType {
	types := make([]api.ValueType, len(letters))
	for i, c := range letters {
		types[i] = api.ValueTypeI32
		if c == 'I' {
			types[i] = api.ValueTypeI64
		}
	}
	return types
}

// instantiateImports gives the runtime the host functions that a module imports, and no others.
func instantiateImports(ctx context.Context, r wazero.Runtime, imports []meter.Import) error {
	allowed := allowedImports()
	builders := make(map[string]wazero.HostModuleBuilder)
	for _, i := range imports {
		if builders[i.Module] == nil {
			builders[i.Module] = r.NewHostModuleBuilder(i.Module)
		}
		export(builders[i.Module], i.Name, allowed[i.Module+"."+i.Name])
	}
	for _, b := range builders {
		if _, err := b.Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}

// export adds one host function, under its name.
func export(b wazero.HostModuleBuilder, name string, f hostFunc) {
	params, results, _ := strings.Cut(f.signature, ":")
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
		f.call(guest{instance: instanceOf(ctx), module: m}, stack)
	}), valueTypes(params), valueTypes(results)).Export(name)
}
