package plugins

import "golang.org/x/sys/unix"

// ForgetPageTable makes m restore memory as it does where the kernel does not show the page table. It returns false when
// m does so anyway.
func ForgetPageTable(m *Module) bool {
	if m.image.pagemap < 0 {
		return false
	}
	if err := unix.Close(m.image.pagemap); err != nil {
		panic(err)
	}
	m.image.pagemap = -1
	return true
}
