//go:build !unix

package sandbox

import "syscall"

// Attributes returns nothing: functions in folders need a Unix system.
func Attributes(Grant, uint32) (*syscall.SysProcAttr, int) { return nil, 0 }

// Less reports that there is nothing less.
func (g Grant) Less(error) (Grant, bool) { return g, false }
