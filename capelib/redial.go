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
	given, refused, why := c.resume(next, report, err)
	for _, r := range given {
		close(r.given)
	}
	for _, r := range refused {
		r.settle(nil, why)
	}
}

// resume takes the outcome of an attempt. Of those who wait for it, given are in the queue of the
// new session, and refused are to be told why.
func (c *Conn) resume(next *session, report *Report, err error) (given, refused []*Call, why *Error) {
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
		return nil, waiting, notReconnected(AsError(err))
	}
	if c.over != nil { // closed meanwhile
		next.close(c.over)
		return nil, nil, nil
	}
	counters.reconnects.Add(1)
	c.retry.failed(time.Now()) // unless a reply comes: a session that brings none is no better
	c.session, c.report = next, report
	for i, r := range waiting {
		if lost := next.take(r); lost != nil { // lost again at once
			return waiting[:i], waiting[i:], next.notSent(lost)
		}
	}
	return waiting, nil, nil
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

// notReconnected is the error of a call that waited for an attempt that failed. Its reason is one
// that only a request has which was not sent.
func notReconnected(why *Error) *Error {
	failure := *why
	switch why.Code {
	case CodePanic:
		return why
	case CodeTimeout:
		failure = *NewError("timeout.not_sent", "")
	case CodeProtocol, CodeLimit, CodeClosed, CodeFunction:
		failure = *NewError("closed.not_sent", "")
	}
	failure.Message = "the request was not sent, since the connection was lost and could not be made again: " + why.Message
	failure.Report, failure.cause = why.Report, why
	return &failure
}
