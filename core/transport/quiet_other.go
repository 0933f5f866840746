//go:build !linux

package transport

import (
	"net"
	"syscall"
)

// Elsewhere the Go runtime's own care is relied on.
func rawConn(net.Conn) syscall.RawConn { return nil }
