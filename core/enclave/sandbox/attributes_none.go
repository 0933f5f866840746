//go:build !unix

package sandbox

import "syscall"

// Attributes returns nothing: functions in folders need a Unix system.
func Attributes(Grant, uint32) (*syscall.SysProcAttr, int) { return nil, 0 }

// Refused returns nil: there is nothing that could be refused.
func (g Grant) Refused() error { return nil }

// Less reports that there is nothing less.
func (g Grant) Less(error) (Grant, bool) { return g, false }
