package capelib

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

// The states of a call, which only rise.
const (
	queued  = iota // has not left: it can be repeated safely
	sent           // the writer has taken it: nobody can know whether it runs
	settled        // has its outcome
)

// sealed is a request as it goes over the network, in its two pieces.
type sealed struct {
	encapsulated, ciphertext []byte
}

// Call is one request on its way to the function, begun by [Conn.Start]. Any goroutine may call
// any of its methods at any time.
type Call struct {
	done     chan struct{}
	ended    func() // told after done is closed; may be nil
	timer    atomic.Pointer[time.Timer]
	size     int64 // of the sealed request, in bytes
	deadline time.Time
	limit    time.Duration // until the deadline, from the start
	callee   string        // the function and where it is, for errors

	state   atomic.Int32
	session atomic.Pointer[session] // nil while the connection has none
	given   chan struct{}           // closed when there is a session; nil if there was one at once

	output []byte // these two are written before done is closed, and not after
	err    *Error

	signed atomic.Pointer[wire.Result] // without the output, where results are verified

	input []byte // digest of the input, where results are verified; written before it is sealed

	// What follows is guarded by the session's lock.
	sealed   *sealed // nil until it is sealed, and when nobody needs it any more
	written  int64   // bytes that have been sent; while the writer is at it, see session.progress
	received int64   // bytes of the reply, once it is complete
}

// Progress says how far a call is, in bytes of the sealed request and of its reply, which is
// base64: 4 bytes for 3 of the result.
type Progress struct {
	Sent, ToSend, Received int64
}

// newCall makes a call that ends after a while by itself.
func newCall(callee string, input []byte, timeout time.Duration, ended func()) *Call {
	r := &Call{
		done: make(chan struct{}), ended: ended, size: int64(len(input) + hpke.Overhead),
		deadline: time.Now().Add(timeout), limit: timeout, callee: callee,
	}
	r.timer.Store(transport.SpawnAfter(timeout, func() { r.abandon(r.limit, false) }, func(value any) { r.settle(nil, Panicked(value)) }))
	return r
}

// Done is closed when the call has ended, in whatever way.
func (r *Call) Done() <-chan struct{} { return r.done }

// Cancel ends the call at once with [CodeCancelled], unless it has ended. A request that was sent
// may still run; the reason of the error says whether it was.
func (r *Call) Cancel() { r.abandon(0, true) }

// Result waits for the outcome: what Invoke returns. The result is the caller's.
func (r *Call) Result() ([]byte, error) {
	<-r.done
	if r.err != nil {
		return nil, r.err
	}
	return r.output, nil
}

// Progress tells how far the call is. After the end it tells how far it had come.
func (r *Call) Progress() Progress {
	p := Progress{ToSend: r.size}
	if s := r.session.Load(); s != nil {
		p.Sent, p.Received = s.progress(r)
	}
	return p
}

// copyOf copies an input, and stops when the call has ended meanwhile.
func (r *Call) copyOf(input []byte) []byte {
	const piece = 1 << 20
	plaintext := make([]byte, 0, len(input))
	for len(input) > 0 && r.state.Load() != settled {
		n := min(len(input), piece)
		plaintext = append(plaintext, input[:n]...)
		input = input[n:]
	}
	return plaintext
}

// wait is Result, but gives the call up when ctx is done.
func (r *Call) wait(ctx context.Context) ([]byte, error) {
	select {
	case <-r.done:
	case <-ctx.Done():
		r.abandon(0, ctx.Err() == context.Canceled)
	}
	return r.Result()
}

// abandon gives the call up: cancelled, or its time is over; limit is 0 where that is not its own.
// One that has been sent keeps its place among those that wait for replies, since its reply will
// still come.
func (r *Call) abandon(limit time.Duration, cancelled bool) {
	for {
		was := r.state.Load()
		if was == settled {
			return
		}
		if r.state.CompareAndSwap(was, settled) {
			r.finish(nil, waitError(r.callee, limit, cancelled, was == sent))
			if s := r.session.Load(); s != nil {
				s.forget(r)
			}
			return
		}
	}
}

// settle gives the call its outcome, unless it has one: then the output is wiped.
func (r *Call) settle(output []byte, err *Error) {
	if r.state.Swap(settled) == settled {
		clear(output)
		return
	}
	r.finish(output, err)
}

// stopTimer does nothing when it is the timer that ends the call, at once.
func (r *Call) stopTimer() {
	if timer := r.timer.Load(); timer != nil {
		timer.Stop()
	}
}

// finish is for the one that has moved the state to settled.
func (r *Call) finish(output []byte, err *Error) {
	r.output, r.err = output, err
	r.stopTimer()
	if err != nil {
		counters.invokesFailed.Add(1)
	}
	close(r.done)
	if r.ended != nil {
		r.ended()
	}
}
