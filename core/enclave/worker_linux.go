package enclave

import (
	"os"
	"syscall"
	"unsafe"
)

const socketFlags = syscall.SOCK_CLOEXEC

func withPidfd(attributes *syscall.SysProcAttr, pidfd *int) *syscall.SysProcAttr {
	attributes.PidFD = pidfd
	return attributes
}

// reap waits for the process. Its group is killed while its id is still taken, so that no
// other group can be meant.
func (w *worker) reap() (*os.ProcessState, error) {
	if !waitPidfd(w.pidfd) {
		waitProcess(w.process.Pid)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.killGroup()
	state, err := w.process.Wait()
	w.reaped = true
	return state, err
}

const (
	waitPID    = 1          // P_PID
	waitPIDFD  = 3          // P_PIDFD, Linux 5.4
	waitExited = 4          // WEXITED
	waitNoHang = 1          // WNOHANG
	waitNoReap = 0x01000000 // WNOWAIT
)

// waitPidfd waits for the end of a process without keeping a thread, and closes the
// descriptor. It reports false where the kernel cannot do that.
func waitPidfd(pidfd int) bool {
	if pidfd < 0 {
		return false
	}
	if syscall.SetNonblock(pidfd, true) != nil {
		_ = syscall.Close(pidfd)
		return false
	}
	file := os.NewFile(uintptr(pidfd), "pidfd")
	defer file.Close()
	raw, err := file.SyscallConn()
	if err != nil {
		return false
	}
	var exited bool
	err = raw.Read(func(fd uintptr) bool {
		signal, errno := waitid(waitPIDFD, fd, waitNoHang)
		exited = signal != 0 || errno == syscall.ECHILD // ECHILD: somebody else reaped it
		return exited || errno != 0 && errno != syscall.EINTR
	})
	return err == nil && exited
}

// waitProcess waits for the end of a process and leaves it to be reaped.
func waitProcess(pid int) {
	for {
		if _, errno := waitid(waitPID, uintptr(pid), 0); errno != syscall.EINTR {
			return
		}
	}
}

// waitid returns the signal number that the kernel reports, 0 while the process runs.
func waitid(kind, id uintptr, flags uintptr) (int32, syscall.Errno) {
	var info [16]uint64 // siginfo_t has 128 bytes and begins with si_signo
	_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, kind, id, uintptr(unsafe.Pointer(&info)),
		waitExited|waitNoReap|flags, 0, 0)
	return *(*int32)(unsafe.Pointer(&info)), errno
}

func sendMark(socket int) {
	_, _ = syscall.SendmsgN(socket, []byte{0}, nil, nil, syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT)
}
