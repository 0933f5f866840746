package capelib

import (
	"context"
	"sync"
	"time"

	"github.com/libcape/libcape/core/transport"
)

const grace = 20 * time.Millisecond

// Connecting is a connect that goes on by itself, begun by [StartConnect]. Any goroutine may call
// any of its methods at any time.
type Connecting struct {
	cancel context.CancelFunc
	done   chan struct{}
	ended  func()
	once   sync.Once
	conn   *Conn // these two are written before done is closed, and not after
	err    *Error
}

// StartConnect does what [Connect] does, and returns at once. An error says that nothing was
// started. ended, if not nil, is called once when it has ended, on whatever goroutine ended it;
// it must not block.
func StartConnect(o Options, ended func()) (*Connecting, error) {
	t, err := o.check()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Connecting{cancel: cancel, done: make(chan struct{}), ended: ended}
	// The deadline holds even where something on the way does not notice it. What does notice knows
	// better what it was waiting for, so it is given a moment.
	timer := transport.SpawnAfter(t.timeout+grace, func() { c.settle(nil, attestationTimeout(t.endpoint.Host)) }, nil)
	transport.Spawn(func() {
		defer timer.Stop()
		conn, err := o.connect(ctx, t)
		c.settle(conn, AsError(err))
	}, func(value any) { c.settle(nil, Panicked(value)) })
	return c, nil
}

// Done is closed when the connect has ended, in whatever way.
func (c *Connecting) Done() <-chan struct{} { return c.done }

// Cancel ends the connect at once with [CodeCancelled], unless it has ended.
func (c *Connecting) Cancel() {
	c.settle(nil, NewError("cancelled.not_sent", "the connect was cancelled"))
}

// Result waits for the outcome: what Connect returns.
func (c *Connecting) Result() (*Conn, error) {
	<-c.done
	if c.err != nil {
		return nil, c.err
	}
	return c.conn, nil
}

// Progress says nothing of a connect yet: its messages are few and small.
func (c *Connecting) Progress() Progress { return Progress{} }

// settle gives the connect its outcome, unless it has one.
func (c *Connecting) settle(conn *Conn, err *Error) {
	settled := false
	c.once.Do(func() {
		settled = true
		c.conn, c.err = conn, err
		c.cancel()
		close(c.done)
		if c.ended != nil {
			c.ended()
		}
	})
	if !settled && conn != nil {
		_ = conn.Close()
	}
}
