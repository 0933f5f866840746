//go:build !linux

package transport

import (
	"net"
	"syscall"
)

// Elsewhere the Go runtime's own care is relied on.
func rawConn(net.Conn) syscall.RawConn { return nil }

// What has arrived is not known.
func (c *quietConn) drained() bool { return false }
