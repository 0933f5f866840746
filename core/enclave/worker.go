//go:build unix

package enclave

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/libcape/libcape/core/transport"
)

const workersSupported = true

// grace is how long is waited for what should follow at once: an exit after a closed socket,
// the last output after an exit.
const grace = time.Second

// huntGrace is how long the first process may look for what else it has to end.
const huntGrace = 10 * time.Second

const (
	statusOutput = 0
	statusError  = 1
	replyHeader  = 9 // bytes: the status, the length
)

// worker is a sandbox that serves one function over a socket, which is descriptor 3 in it. Its
// first process keeps watch and takes everything with it when it ends, as it does with the context.
// invoke and close are for one goroutine at a time.
type worker struct {
	process *os.Process
	pidfd   int // -1: none
	channel net.Conn
	control *control
	command command
	output  *outputLog
	stop    []func() bool // they take kill off the contexts
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
	control, controlled, err := newControl()
	if err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("start the function: %w", err)
	}
	defer controlled.Close()
	reading, writing, err := os.Pipe()
	if err != nil {
		_, _ = ours.Close(), control.close()
		return nil, fmt.Errorf("start the function: %w", err)
	}
	defer writing.Close()
	w := &worker{
		pidfd: -1, channel: transport.Quiet(ours), control: control, command: c, ended: make(chan struct{}),
		output: newOutputLog(reading),
	}
	nothing, err := os.Open(os.DevNull)
	if err == nil {
		defer nothing.Close()
		attributes := &os.ProcAttr{
			Dir: c.folder, Env: c.env, Files: []*os.File{nothing, writing, writing, theirs, controlled},
			Sys: withPidfd(c.system, &w.pidfd),
		}
		err = by.run(func() (err error) {
			w.process, err = os.StartProcess(c.path, c.arguments, attributes)
			return err
		})
	}
	if err != nil {
		_, _, _ = ours.Close(), reading.Close(), control.close()
		return nil, fmt.Errorf("start the function: %w", err)
	}
	transport.Spawn(w.output.copy, nil)
	transport.Spawn(control.listen, nil)
	transport.Spawn(w.watch, nil)
	w.stop = append(w.stop, transport.SpawnWhenDone(ctx, w.kill, nil))
	return w, nil
}

// assign has a worker that was started ahead end with a context, and print to a log.
func (w *worker) assign(ctx context.Context, log *slog.Logger) {
	w.output.to.Store(log)
	w.stop = append(w.stop, transport.SpawnWhenDone(ctx, w.kill, nil))
}

// wait returns when the sandbox is made, with the layers that the kernel does not grant.
func (w *worker) wait() (missing []string, err error) {
	<-w.control.told
	if !w.control.up {
		return nil, errors.New(w.control.trouble)
	}
	return w.control.missing, nil
}

// over reports whether the process has ended.
func (w *worker) over() bool {
	select {
	case <-w.ended:
		return true
	default:
		return false
	}
}

// invoke runs the function once. After an error that is no *raisedError the worker is of no
// more use.
func (w *worker) invoke(input []byte) ([]byte, error) {
	w.output.renew()
	w.control.mark()
	w.allow(time.Now().Add(w.command.limits.Time))
	header := binary.BigEndian.AppendUint64(nil, uint64(len(input)))
	if _, err := w.channel.Write(header); err != nil {
		return nil, w.cause(err)
	}
	if _, err := w.channel.Write(input); err != nil {
		return nil, w.cause(err)
	}
	reply := make([]byte, replyHeader)
	if _, err := io.ReadFull(w.channel, reply); err != nil {
		return nil, w.cause(err)
	}
	status, size := reply[0], binary.BigEndian.Uint64(reply[1:])
	limit := uint64(w.command.limit)
	if status == statusError {
		limit = maxErrorText * 4
	}
	if status > statusError || size > limit {
		return nil, fmt.Errorf("the function wrote to descriptor 3, which belongs to the enclave, or its result is over %d bytes", w.command.limit)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(w.channel, body); err != nil {
		return nil, w.cause(err)
	}
	if status == statusError {
		return nil, &raisedError{string(body)}
	}
	return body, nil
}

// allow has what waits for the worker's socket wait no longer than this, unless the process has
// ended, after which there is another deadline.
func (w *worker) allow(deadline time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.reaped {
		_ = w.channel.SetDeadline(deadline)
	}
}

// cause says why the socket has ended, or what was waited for in vain.
func (w *worker) cause(err error) error {
	w.mu.Lock()
	late := !w.reaped && errors.Is(err, os.ErrDeadlineExceeded)
	w.mu.Unlock()
	if late {
		return errors.New(w.command.limitText("time"))
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-w.ended:
		return errors.New(w.end)
	case <-timer.C:
		return fmt.Errorf("the function closed descriptor 3, which belongs to the enclave")
	}
}

// watch waits until the process ends, by itself or killed, and takes its group with it.
func (w *worker) watch() {
	defer close(w.ended)
	state, err := w.reap()
	// Whoever got away with a copy of the socket or the pipe must not keep us waiting; what is
	// still in them may be read.
	deadline := time.Now().Add(grace)
	w.end = w.howItEnded(state, err, deadline)
	_ = w.channel.SetDeadline(deadline)
	w.output.endBy(deadline)
}

// howItEnded tells of the function's process, if the first process said how that ended.
func (w *worker) howItEnded(state *os.ProcessState, err error, deadline time.Time) string {
	w.control.endBy(deadline)
	<-w.control.done
	switch kind, value, _ := strings.Cut(w.control.last, " "); {
	case kind == "ended":
		status, _ := strconv.Atoi(value)
		return "the function's process ended: " + describeStatus(syscall.WaitStatus(status))
	case kind == "limit":
		return w.command.limitText(value)
	case kind == "failed":
		return "the function's sandbox failed: " + value
	case err != nil:
		return "the function's process ended: its exit status is not known" // the host reaps its children itself
	}
	return "the function's process ended: " + state.String()
}

func describeStatus(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "signal: " + status.Signal().String()
	}
	return "exit status " + strconv.Itoa(status.ExitStatus())
}

// kill ends the process and all that it started.
func (w *worker) kill() {
	if !w.command.contained {
		// Its first process has to find the others.
		w.signal(syscall.SIGTERM)
		transport.SpawnAfter(huntGrace, func() { w.signal(syscall.SIGKILL) }, nil)
		return
	}
	w.signal(syscall.SIGKILL)
}

func (w *worker) signal(signal syscall.Signal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.reaped {
		_ = syscall.Kill(w.process.Pid, signal)
	}
}

func (w *worker) killGroup() { _ = syscall.Kill(-w.process.Pid, syscall.SIGKILL) }

// close kills the worker and returns when it is gone.
func (w *worker) close() {
	for _, stop := range w.stop {
		stop()
	}
	w.kill()
	<-w.ended
	<-w.output.done
	_ = w.channel.Close()
}
