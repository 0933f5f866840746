package transport

import (
	"net"
	"os"
	"syscall"
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
