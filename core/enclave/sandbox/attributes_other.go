//go:build unix && !linux

package sandbox

import "syscall"

// Attributes returns how to start a process: there are no namespaces here.
func Attributes(Grant, uint32) (*syscall.SysProcAttr, int) {
	return &syscall.SysProcAttr{Setpgid: true}, 0
}

// Refused returns nil: there is nothing that could be refused.
func (g Grant) Refused() error { return nil }

// Less reports that there is nothing less.
func (g Grant) Less(error) (Grant, bool) { return g, false }
