//go:build unix

package enclave

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// controlLine bounds what a sandbox says in one line. Only trusted code says anything.
const controlLine = 4 << 10

// startTimeout is how long a worker may take to be in its sandbox. What takes longer hangs, such
// as an interpreter on a file system that does not answer.
const startTimeout = 2 * time.Minute

// control is what the first process of a sandbox tells of it: see the sandbox's program.
type control struct {
	conn    *net.UnixConn
	told    chan struct{} // closed when missing, up and trouble stand
	missing []string      // layers that the kernel does not grant
	up      bool          // the worker is in its sandbox
	trouble string        // else
	done    chan struct{} // closed when last stands
	last    string        // how it ended; empty: it did not say
}

// newControl returns our end and the one for the sandbox.
func newControl() (*control, *os.File, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, nil, err
	}
	_ = ours.SetReadDeadline(time.Now().Add(startTimeout))
	return &control{conn: ours, told: make(chan struct{}), done: make(chan struct{})}, theirs, nil
}

// read returns when the sandbox has said all.
func (c *control) listen() {
	defer close(c.done)
	defer c.conn.Close()
	tell := func() {
		select {
		case <-c.told:
		default:
			close(c.told)
		}
	}
	defer tell()
	c.trouble = "it ended while it was made"
	lines := bufio.NewReaderSize(c.conn, controlLine)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, os.ErrDeadlineExceeded) && c.last == "" {
			c.trouble = fmt.Sprintf("it was not made within %v", startTimeout)
		}
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\n")
		switch kind, value, _ := strings.Cut(line, " "); kind {
		case "missing":
			c.missing = append(c.missing, value)
		case "ready":
			c.up = true
			_ = c.conn.SetReadDeadline(time.Time{})
			tell()
		case "failed":
			if !c.up {
				c.trouble = value
			}
			c.last = line
		default:
			if c.last == "" {
				c.last = line
			}
		}
	}
}

// mark says that another call begins. It waits for nothing: where there is no room, a mark that
// is still unread will do.
func (c *control) mark() {
	descriptor, err := c.conn.SyscallConn()
	if err != nil {
		return
	}
	_ = descriptor.Write(func(fd uintptr) bool {
		sendMark(int(fd))
		return true
	})
}

// endBy has read return by then.
func (c *control) endBy(deadline time.Time) { _ = c.conn.SetReadDeadline(deadline) }

func (c *control) close() error { return c.conn.Close() }

// socketPair returns our end of a stream socket and the end for a child.
func socketPair() (*net.UnixConn, *os.File, error) {
	syscall.ForkLock.RLock()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|socketFlags, 0)
	if err == nil {
		syscall.CloseOnExec(pair[0])
		syscall.CloseOnExec(pair[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "enclave"), os.NewFile(uintptr(pair[1]), "function")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), theirs, nil // which AF_UNIX makes it
}
