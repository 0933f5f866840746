//go:build unix

package enclave

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/libcape/libcape/core/transport"
)

const workersSupported = true

// grace is how long is waited for what should follow at once: an exit after a closed socket,
// the last output after an exit.
const grace = time.Second

const (
	statusOutput = 0
	statusError  = 1
	replyHeader  = 9 // bytes: the status, the length
)

// worker is a process that serves one function over a socket, which is its descriptor 3. It
// leads a process group of its own, and ends with its context. invoke and close are for one
// goroutine at a time.
type worker struct {
	process *os.Process
	pidfd   int // -1: none
	channel net.Conn
	limit   int64 // bytes of an output
	output  *outputLog
	stop    func() bool // takes kill off the context
	ended   chan struct{}
	end     string // how the process ended; set before ended is closed

	mu     sync.Mutex
	reaped bool // the process id may stand for another process
}

// startWorker runs a command. On an error nothing is left of it.
func startWorker(ctx context.Context, by *spawner, c command) (*worker, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("start the function: %w", err)
	}
	defer theirs.Close()
	reading, writing, err := os.Pipe()
	if err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("start the function: %w", err)
	}
	defer writing.Close()
	w := &worker{
		pidfd: -1, channel: transport.Quiet(ours), limit: c.limit, ended: make(chan struct{}),
		output: newOutputLog(reading, c.log),
	}
	nothing, err := os.Open(os.DevNull)
	if err == nil {
		defer nothing.Close()
		attributes := &os.ProcAttr{
			Dir: c.folder, Env: c.env, Files: []*os.File{nothing, writing, writing, theirs},
			Sys: workerAttributes(&w.pidfd),
		}
		err = by.run(func() (err error) {
			w.process, err = os.StartProcess(c.path, c.arguments, attributes)
			return err
		})
	}
	if err != nil {
		_, _ = ours.Close(), reading.Close()
		return nil, fmt.Errorf("start the function: %w", err)
	}
	transport.Spawn(w.output.copy, nil)
	transport.Spawn(w.watch, nil)
	w.stop = transport.SpawnWhenDone(ctx, w.kill, nil)
	return w, nil
}

// invoke runs the function once. After an error that is no *raisedError the worker is of no
// more use.
func (w *worker) invoke(input []byte) ([]byte, error) {
	w.output.renew()
	header := binary.BigEndian.AppendUint64(nil, uint64(len(input)))
	if _, err := w.channel.Write(header); err != nil {
		return nil, w.cause()
	}
	if _, err := w.channel.Write(input); err != nil {
		return nil, w.cause()
	}
	reply := make([]byte, replyHeader)
	if _, err := io.ReadFull(w.channel, reply); err != nil {
		return nil, w.cause()
	}
	status, size := reply[0], binary.BigEndian.Uint64(reply[1:])
	limit := uint64(w.limit)
	if status == statusError {
		limit = maxErrorText * 4
	}
	if status > statusError || size > limit {
		return nil, fmt.Errorf("the function wrote to descriptor 3, which belongs to the enclave, or its result is over %d bytes", w.limit)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(w.channel, body); err != nil {
		return nil, w.cause()
	}
	if status == statusError {
		return nil, &raisedError{string(body)}
	}
	return body, nil
}

// cause says why the socket has ended.
func (w *worker) cause() error {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-w.ended:
		return fmt.Errorf("the function's process ended: %s", w.end)
	case <-timer.C:
		return fmt.Errorf("the function closed descriptor 3, which belongs to the enclave")
	}
}

// watch waits until the process ends, by itself or killed, and takes its group with it.
func (w *worker) watch() {
	defer close(w.ended)
	state, err := w.reap()
	w.end = "its exit status is not known" // the host reaps its children itself
	if err == nil {
		w.end = state.String()
	}
	// Whoever got away with a copy of the socket or the pipe must not keep us waiting; what is
	// still in them may be read.
	deadline := time.Now().Add(grace)
	_ = w.channel.SetDeadline(deadline)
	w.output.endBy(deadline)
}

// kill ends the process and its group.
func (w *worker) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.reaped {
		w.killGroup()
		_ = w.process.Kill() // should it have left its group
	}
}

func (w *worker) killGroup() { _ = syscall.Kill(-w.process.Pid, syscall.SIGKILL) }

// close kills the worker and returns when it is gone.
func (w *worker) close() {
	w.stop()
	w.kill()
	<-w.ended
	<-w.output.done
	_ = w.channel.Close()
}

// socketPair returns our end of a stream socket and the end for a child.
func socketPair() (net.Conn, *os.File, error) {
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
	return conn, theirs, nil
}
