package capelib

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/libcape/libcape/core/transport"
)

// Sealing cannot be broken off, and must not make a call miss its deadline by much: where an input
// has sealAside bytes or more, and the time left is less than sealTime, Invoke seals a copy of it on
// another goroutine. sealTime is many times what the largest input takes.
const (
	sealAside = 4 << 20
	sealTime  = 5 * time.Second
)

// sealAtOnce is how long an input may be that Start seals and sends by itself, in bytes, where no
// other call is under way.
const sealAtOnce = 16 << 10

// Conn is a connection to one function of an attested enclave. Any goroutine may call any of its
// methods at any time. Each request is sealed in a context of its own, outside any lock.
type Conn struct {
	options Options
	target  *target
	callee  string          // the function and where it is, for errors
	closed  context.Context // done when Close was called
	close   context.CancelFunc

	mu        sync.Mutex
	session   *session // the latest; it may have ended
	report    *Report
	over      *Error // why there will be no other session; nil while there may be
	waiting   []*Call
	redialing bool // a goroutine is at it, for whoever is waiting
	retry     backoff
}

// CallOptions are for one call. The zero value is what Invoke uses.
type CallOptions struct {
	// Timeout bounds the call; 0 is that of the connection.
	Timeout time.Duration
	// Ended, if not nil, is called once when the call has ended, on whatever goroutine ended it.
	// It must not block.
	Ended func()
}

// newConn makes the connection of a first session.
func newConn(o Options, t *target, s *session, report *Report) *Conn {
	c := &Conn{options: o, target: t, session: s, report: report, callee: o.Function + " at " + t.endpoint.Host}
	c.closed, c.close = context.WithCancel(context.Background())
	return c
}

// Report tells what the verification at connecting found: the latest one, where the connection
// was lost and dialled again. It must not be changed.
func (c *Conn) Report() *Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.report
}

// Invoke seals input to the enclave's key, sends it, and returns the function's result, which is
// the caller's. input, of at most [MaxInput] bytes, is only read, and not after the return. It
// ends by the earlier of ctx's deadline and the time-out of the options.
//
// Code [CodeFunction] says that the function failed; the connection goes on. For [CodeTimeout],
// [CodeCancelled] and [CodeClosed] the reason says whether the request had been sent, and so may
// have run. A request is never sent twice.
func (c *Conn) Invoke(ctx context.Context, input []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, waitError(c.callee, 0, err == context.Canceled, false)
	}
	if deadline, ok := ctx.Deadline(); len(input) >= sealAside && (c.target.timeout < sealTime || ok && time.Until(deadline) < sealTime) {
		r, err := c.Start(input, CallOptions{})
		if err != nil {
			return nil, err
		}
		return r.wait(ctx)
	}
	r, err := c.admit(input, CallOptions{})
	if err != nil {
		return nil, err
	}
	if r.given != nil {
		if len(input) >= sealAside { // there may be no time left for it then
			c.sealLater(r, input)
			return r.wait(ctx)
		}
		select {
		case <-r.given:
		case <-r.done:
		case <-ctx.Done():
		}
	}
	if s := r.session.Load(); s != nil {
		s.seal(r, input)
		if ctx.Done() == nil {
			s.writeOwn(r)
		} else {
			s.tellWriter()
		}
		s.prepare()
	}
	return r.wait(ctx)
}

// Start begins a call and returns at once; input is copied. Requests leave in the order in which
// they were started, and any number may be under way. An error says that nothing was started.
func (c *Conn) Start(input []byte, o CallOptions) (*Call, error) {
	r, err := c.admit(input, o)
	if err != nil {
		return nil, err
	}
	if s := r.session.Load(); s != nil && len(input) <= sealAtOnce && s.alone(r) && s.socket.Drained() {
		// The network has room for it, whatever the peer does, and whoever makes one call after the
		// other is spared a change of threads.
		s.seal(r, input)
		s.writeOwn(r)
		s.prepare()
		return r, nil
	}
	c.sealLater(r, input)
	return r, nil
}

// sealLater copies an input, which is sealed and sent on another goroutine when there is a session.
func (c *Conn) sealLater(r *Call, input []byte) {
	plaintext := r.copyOf(input)
	transport.Spawn(func() {
		if s := r.sealCopy(plaintext); s != nil {
			s.writeAll() // perhaps for long, since others go on bringing requests
		}
	}, func(value any) { r.settle(nil, Panicked(value)) })
}

// sealCopy seals what is wiped then, and gives the session that the call is for, if there is one.
func (r *Call) sealCopy(plaintext []byte) *session {
	defer clear(plaintext)
	if r.given != nil {
		select {
		case <-r.given:
		case <-r.done:
		}
	}
	s := r.session.Load()
	if s != nil {
		s.seal(r, plaintext)
	}
	return s
}

// Close ends the connection and wakes pending calls with [CodeClosed]. It never blocks, and may be
// called more than once.
func (c *Conn) Close() error {
	c.stop(NewError("closed.local", "the connection was closed"))
	return nil
}

// stop ends the connection for good. The first reason is the one that counts.
func (c *Conn) stop(why *Error) {
	c.mu.Lock()
	if c.over == nil {
		c.over = why
	}
	s, waiting := c.session, c.waiting
	c.waiting = nil
	c.mu.Unlock()
	c.close()
	s.close(why)
	for _, r := range waiting {
		r.settle(nil, s.notSent(why))
	}
}

// admit gives a call its place: in the queue of the session, or among those that wait for one.
func (c *Conn) admit(input []byte, o CallOptions) (*Call, error) {
	if err := checkInput(input); err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = c.target.timeout
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil && c.over.Code != CodeClosed {
		return nil, notReconnected(c.over)
	} else if c.over != nil {
		return nil, c.session.notSent(c.over)
	}
	r := newCall(c.callee, input, o.Timeout, o.Ended)
	why := c.session.take(r)
	if why != nil && why.Reason == "limit.calls" {
		r.stopTimer()
		return nil, why
	}
	if why != nil && (!c.options.Reconnect || why.Code == CodePanic) {
		r.stopTimer()
		return nil, c.session.notSent(why)
	}
	counters.invokes.Add(1)
	if why != nil {
		r.given = make(chan struct{})
		c.waiting = append(c.waiting, r)
		if !c.redialing {
			c.redialing = true
			if c.session.served.Swap(false) {
				c.retry = backoff{}
			}
			transport.Spawn(c.redial, func(value any) { c.stop(Panicked(value)) })
		}
	}
	return r, nil
}

func checkInput(input []byte) error {
	if len(input) > MaxInput {
		return NewError("limit.input", fmt.Sprintf("the input has %d bytes: the limit is %d", len(input), MaxInput))
	}
	return nil
}
