package capelib

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/transport"
)

const (
	// pingEvery is well within the 60 s after which an enclave ends an idle session.
	pingEvery = 20 * time.Second
	// maxUnheard is how many times in a row nothing may have been heard since the last ping. It
	// is more than one, so that a pause of this process is not taken for the peer's silence.
	maxUnheard = 3
)

// Conn is a session with one function of one attested enclave. Any goroutine may call any of
// its methods at any time.
//
// Each request is sealed in a context of its own, outside any lock. One goroutine writes
// requests in the order in which they were queued, another reads replies, which come in that
// order too.
type Conn struct {
	socket    *transport.Conn
	publicKey []byte
	report    *Report
	timeout   time.Duration
	pingEvery time.Duration
	secret    string        // the token: no text of the peer's may bring it back
	wake      chan struct{} // tells the writer that the queue has grown
	ended     chan struct{} // closed when the session is over

	mu     sync.Mutex
	queued []*call // not yet taken by the writer
	sent   []*call // waiting for their replies, oldest first
	over   *Error  // why the session ended; nil while it goes on
}

// call is one request on its way. Its result fields are written before done is closed.
type call struct {
	sealed []byte
	done   chan struct{}
	output []byte
	err    *Error
}

// start completes a Conn and sets its two goroutines to work.
func (c *Conn) start() *Conn {
	c.wake, c.ended = make(chan struct{}, 1), make(chan struct{})
	transport.Spawn(c.writeLoop, c.panicked)
	transport.Spawn(c.readLoop, c.panicked)
	return c
}

// Report tells what the verification at connecting found. It must not be changed.
func (c *Conn) Report() *Report { return c.report }

// Invoke seals input to the enclave's key, sends it, and returns the function's result, which is
// the caller's. input, of at most [MaxInput] bytes, is only read, and not after the return. It
// ends by the earlier of ctx's deadline and the time-out of the options.
//
// Code [CodeFunction] says that the function failed; the session goes on. For [CodeTimeout],
// [CodeCancelled] and [CodeClosed] the reason says whether the request had been sent, and so may
// have run. A request is never sent twice.
func (c *Conn) Invoke(ctx context.Context, input []byte) ([]byte, error) {
	if len(input) > MaxInput {
		return nil, NewError("limit.input", fmt.Sprintf("the input has %d bytes: the limit is %d", len(input), MaxInput))
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	sealed, err := hpke.Seal(c.publicKey, input)
	if err != nil {
		return nil, NewError("key.unusable", "the input cannot be sealed to the enclave's key: "+err.Error())
	}
	if ctx.Err() != nil {
		return nil, waitError(ctx, false)
	}
	request := &call{sealed: sealed, done: make(chan struct{})}
	if err := c.enqueue(request); err != nil {
		return nil, err
	}
	select {
	case <-request.done:
	case <-ctx.Done():
		c.abandon(ctx, request)
	}
	if request.err != nil {
		return nil, request.err
	}
	return request.output, nil
}

// Close ends the session and wakes pending calls with [CodeClosed]. It never blocks, and may be
// called more than once.
func (c *Conn) Close() error {
	if c.end(NewError("closed.local", "the connection was closed")) {
		transport.Spawn(func() { c.socket.CloseWith(1000, "") }, nil)
	}
	return nil
}

func (c *Conn) enqueue(request *call) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil {
		return notSent(c.over)
	}
	c.queued = append(c.queued, request)
	select {
	case c.wake <- struct{}{}:
	default: // the writer has been told already
	}
	return nil
}

// next hands the oldest queued request to the writer, and counts it as sent: from here on
// nobody can know whether it runs.
func (c *Conn) next() *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queued) == 0 {
		return nil
	}
	request := c.queued[0]
	c.queued[0] = nil
	c.queued = c.queued[1:]
	c.sent = append(c.sent, request)
	return request
}

// abandon gives a request up because ctx is done. One that has been sent keeps its place among
// the replies, since its reply will still come. A request that is finished stays as it is.
func (c *Conn) abandon(ctx context.Context, request *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-request.done:
		return
	default:
	}
	for i, other := range c.queued {
		if other == request {
			c.queued = append(c.queued[:i:i], c.queued[i+1:]...)
			request.finish(nil, waitError(ctx, false))
			return
		}
	}
	request.finish(nil, waitError(ctx, true))
}

// finish settles a request. The caller holds the lock of the connection.
func (r *call) finish(output []byte, err *Error) {
	select {
	case <-r.done: // abandoned before
		clear(output)
	default:
		r.output, r.err = output, err
		close(r.done)
	}
}

// end stops the session for a reason, and settles every pending request. It reports whether the
// session was still going on.
func (c *Conn) end(why *Error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil {
		return false
	}
	c.over = why
	for _, request := range c.queued {
		request.finish(nil, notSent(why))
	}
	for _, request := range c.sent {
		request.finish(nil, outcomeUnknown(why))
	}
	c.queued, c.sent = nil, nil
	close(c.ended)
	return true
}

// fail ends the session because of the peer or the network.
func (c *Conn) fail(err error) {
	if c.end(AsError(err)) {
		_ = c.socket.Close()
	}
}

func (c *Conn) panicked(value any) {
	c.fail(NewError("panic.recovered", fmt.Sprintf("a defect in the library ended the connection (%T): please report it", value)))
}

func notSent(why *Error) *Error {
	return ended("closed.not_sent", "the request was not sent: ", why)
}

func outcomeUnknown(why *Error) *Error {
	return ended("closed.outcome_unknown", "the request was sent, and the function may have run: ", why)
}

func ended(reason, prefix string, why *Error) *Error {
	if why.Code == CodePanic {
		return why
	}
	result := NewError(reason, prefix+why.Message+"; connect again to go on")
	result.cause = why
	return result
}
