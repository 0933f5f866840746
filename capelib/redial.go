package capelib

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// backoff says when to dial again. Its waits double from firstRetry to lastRetry, and are cut by
// up to a half at random, so that clients of one enclave do not come back all at once.
type backoff struct {
	failures int
	next     time.Time
}

func (b *backoff) failed(now time.Time) {
	wait := lastRetry
	if b.failures < 7 { // 100 ms times 2^7 is over 10 s
		wait = firstRetry << b.failures
	}
	b.failures++
	b.next = now.Add(wait - rand.N(wait/2))
}

// redial makes one attempt to have a session again, for all calls that wait for one. What the
// policy requires is asked of the new enclave as it was of the first.
func (c *Conn) redial() {
	c.mu.Lock()
	wait := time.Until(c.retry.next)
	c.mu.Unlock()
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.closed.Done():
			return // stop has settled whoever was waiting
		}
	}
	ctx, cancel := context.WithTimeout(c.closed, c.target.timeout)
	defer cancel()
	next, report, err := c.options.open(ctx, c.target)
	for _, r := range c.resume(next, report, err) {
		if err != nil {
			r.settle(nil, notReconnected(AsError(err)))
			continue
		}
		close(r.given)
	}
}

// resume takes the outcome of an attempt, and gives those who wait for it. Where there is a
// session, they are in its queue.
func (c *Conn) resume(next *session, report *Report, err error) []*Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.redialing = false
	waiting := c.waiting
	c.waiting = nil
	if err != nil {
		c.retry.failed(time.Now())
		if failure := AsError(err); c.over == nil && final(failure) {
			c.over = failure
		}
		return waiting
	}
	if c.over != nil { // closed meanwhile
		next.close(c.over)
		return nil
	}
	counters.reconnects.Add(1)
	c.retry.failed(time.Now()) // unless a reply comes: a session that brings none is no better
	c.session, c.report = next, report
	for _, r := range waiting {
		if why := next.take(r); why != nil { // lost again at once
			r.settle(nil, next.notSent(why))
		}
	}
	return waiting
}

// final says that another attempt must not be made: the enclave is not the one that is wanted,
// or does not want us.
func final(failure *Error) bool {
	switch failure.Code {
	case CodeAttestation, CodePolicy, CodeAuth, CodeArgument, CodePanic:
		return true
	}
	return false
}

// notReconnected is the error of a call that waited for an attempt that failed.
func notReconnected(why *Error) *Error {
	if why.Code == CodePanic {
		return why
	}
	failure := *why
	failure.Message = "the request was not sent, since the connection was lost and could not be made again: " + why.Message
	failure.cause = why
	return &failure
}
