//go:build unix && !linux

package main

import "syscall"

// waker makes a descriptor readable, and unreadable again. It is a pipe; its own read end keeps
// writes from raising SIGPIPE.
type waker struct {
	write int
	read  int // of the caller's descriptor, another number for the same end
}

// openWaker also gives the descriptor for the caller, who closes it.
func openWaker() (*waker, int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	var ends [2]int
	if err := syscall.Pipe(ends[:]); err != nil {
		return nil, 0, err
	}
	callers, err := syscall.Dup(ends[0])
	if err != nil {
		_ = syscall.Close(ends[0])
		_ = syscall.Close(ends[1])
		return nil, 0, err
	}
	for _, fd := range []int{ends[0], ends[1], callers} {
		syscall.CloseOnExec(fd)
		_ = syscall.SetNonblock(fd, true)
	}
	return &waker{write: ends[1], read: ends[0]}, callers, nil
}

func (w *waker) wake() { _, _ = syscall.Write(w.write, []byte{1}) }

func (w *waker) clear() {
	var found [8]byte
	_, _ = syscall.Read(w.read, found[:])
}

func (w *waker) close() {
	_ = syscall.Close(w.write)
	_ = syscall.Close(w.read)
}

func closeDescriptor(fd int) { _ = syscall.Close(fd) }
