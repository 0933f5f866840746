package transport

import (
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// quietConn is a connection whose writes cannot raise SIGPIPE, which would end a host that left
// that signal at its default. It also notes when bytes arrive, and bounds how many may arrive
// before the handshake is over.
type quietConn struct {
	net.Conn
	raw       syscall.RawConn // nil where the platform needs no care
	opened    time.Time
	heard     atomic.Int64 // when the last read was, in nanoseconds after opened
	allowance atomic.Int64 // bytes that may still be read; negative: no bound
}

// Quiet wraps a connection so that a write to a peer that has gone is an error and never a
// signal.
func Quiet(conn net.Conn) net.Conn { return quiet(conn) }

func quiet(conn net.Conn) *quietConn {
	if already, ok := conn.(*quietConn); ok {
		return already
	}
	c := &quietConn{Conn: conn, raw: rawConn(conn), opened: time.Now()}
	c.allowance.Store(-1)
	return c
}

// Read reads from the connection, up to the allowance.
func (c *quietConn) Read(p []byte) (int, error) {
	if left := c.allowance.Load(); left == 0 {
		return 0, &Error{Reason: "limit.handshake", Text: "the peer's handshake is over the size limit: is it a Cape enclave?"}
	} else if left > 0 && int64(len(p)) > left {
		p = p[:left]
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard.Store(int64(time.Since(c.opened)))
		if left := c.allowance.Load(); left > 0 {
			c.allowance.CompareAndSwap(left, left-int64(n))
		}
	}
	return n, err
}

// QuietListener wraps a listener so that the connections it accepts are quiet.
func QuietListener(listener net.Listener) net.Listener { return quietListener{listener} }

type quietListener struct{ net.Listener }

func (l quietListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return quiet(conn), nil
}
