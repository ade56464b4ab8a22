package plugins

// Guard makes a panic over a module an error about it.
func Guard(work func() error) error { return guard("the test", work) }

// Imports returns the signatures of everything that a module may import, by "module.name".
func Imports() map[string]string {
	signatures := map[string]string{}
	for name, f := range allowedImports() {
		signatures[name] = f.signature
	}
	return signatures
}
