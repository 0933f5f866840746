package transport

import "syscall"

// Yield lets another thread have this processor that waits for it, and returns at once where none
// does. The goroutine goes on, on the same thread.
func Yield() { _, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) }
