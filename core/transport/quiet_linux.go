package transport

import (
	"net"
	"os"
	"syscall"
	"unsafe"
)

func rawConn(conn net.Conn) syscall.RawConn {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// drained says that the peer's machine has all that was written.
func (c *quietConn) drained() bool {
	left := int32(-1)
	if c.raw != nil {
		_ = c.raw.Control(func(fd uintptr) {
			var found int32
			if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&found))); errno == 0 {
				left = found
			}
		})
	}
	return left == 0
}

// Write sends all of p with MSG_NOSIGNAL, under the connection's write deadline. The Go runtime
// only swallows SIGPIPE while its own handler is in place, and a host may replace that.
func (c *quietConn) Write(p []byte) (int, error) {
	if c.raw == nil {
		return c.Conn.Write(p)
	}
	total := 0
	for total < len(p) {
		var n int
		var sendErr error
		err := c.raw.Write(func(fd uintptr) bool {
			n, sendErr = syscall.SendmsgN(int(fd), p[total:], nil, nil, syscall.MSG_NOSIGNAL)
			return sendErr != syscall.EAGAIN
		})
		if err != nil {
			return total, err
		}
		if sendErr == syscall.EINTR {
			continue
		}
		if sendErr != nil {
			return total, &net.OpError{Op: "write", Net: c.LocalAddr().Network(),
				Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("sendmsg", sendErr)}
		}
		total += n
	}
	return total, nil
}
