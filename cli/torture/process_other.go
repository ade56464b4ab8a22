//go:build !linux

package torture

import "syscall"

// apart keeps a child out of this process's group, so that an interrupt at the keyboard reaches this process alone.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
