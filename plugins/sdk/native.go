//go:build !wasip1

package sdk

// Handle makes h this module's handler. Call it from init. Outside a module, in a test, it does nothing.
func Handle(Handler) {}
