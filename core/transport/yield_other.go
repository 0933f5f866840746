//go:build !linux

package transport

import "runtime"

// Yield lets another goroutine run.
func Yield() { runtime.Gosched() }
