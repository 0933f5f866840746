package main

import "syscall"

// waker makes a descriptor readable, and unreadable again. It is a pair of sockets rather than a
// pipe, since each send and receive can then be told not to block and not to raise SIGPIPE,
// whatever flags the holder of the other descriptor sets.
type waker struct {
	write int
	read  int // of the caller's descriptor, another number for the same end
}

// openWaker also gives the descriptor for the caller, who closes it.
func openWaker() (*waker, int, error) {
	var kept []int
	closeAll := func() {
		for _, fd := range kept {
			_ = syscall.Close(fd)
		}
	}
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, 0, err
	}
	// A host that closed its standard streams may still write to 0, 1 and 2.
	for _, fd := range []int{ends[0], ends[1], ends[1]} {
		above, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 3)
		if errno != 0 {
			err = errno
			break
		}
		kept = append(kept, int(above))
	}
	_ = syscall.Close(ends[0])
	_ = syscall.Close(ends[1])
	if err != nil {
		closeAll()
		return nil, 0, err
	}
	return &waker{write: kept[0], read: kept[1]}, kept[2], nil
}

func (w *waker) wake() {
	_, _ = syscall.SendmsgN(w.write, []byte{1}, nil, nil, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
}

func (w *waker) clear() {
	var found [8]byte
	_, _, _ = syscall.Recvfrom(w.read, found[:], syscall.MSG_DONTWAIT)
}

func (w *waker) close() {
	_ = syscall.Close(w.write)
	_ = syscall.Close(w.read)
}

func closeDescriptor(fd int) { _ = syscall.Close(fd) }
