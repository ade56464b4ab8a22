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

// NumReused counts the idle instances of a module that calls have left as they are.
func NumReused(m *Module) int {
	m.reused.pool.mu.Lock()
	defer m.reused.pool.mu.Unlock()
	n := len(m.reused.pool.idle)
	if m.reused.pool.hot.Load() != nil {
		n++
	}
	return n
}
