package torture

import "syscall"

// apart keeps a child out of this process's group, so that an interrupt at the keyboard reaches this process alone, and lets it end with this process,
// however that ends.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
