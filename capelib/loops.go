package capelib

import (
	"errors"
	"fmt"
	"time"

	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

// writeLoop is the only goroutine that sends requests. It also asks for signs of life.
func (c *Conn) writeLoop() {
	ticker := time.NewTicker(c.pingEvery)
	defer ticker.Stop()
	heard, unheard := c.socket.Heard(), 0
	for {
		select {
		case <-c.ended:
			return
		case <-c.wake:
			for request := c.next(); request != nil; request = c.next() {
				err := c.socket.Write(transport.Binary, request.sealed, time.Now().Add(c.timeout))
				request.sealed = nil
				if err != nil {
					c.fail(err)
					return
				}
			}
		case <-ticker.C:
			if latest := c.socket.Heard(); latest.After(heard) {
				heard, unheard = latest, 0
			} else if unheard++; unheard == maxUnheard {
				c.fail(NewError("closed.silent", fmt.Sprintf("the enclave gave no sign of life for %v", maxUnheard*c.pingEvery)))
				return
			}
			if err := c.socket.Ping(time.Now().Add(c.timeout)); err != nil {
				c.fail(err)
				return
			}
		}
	}
}

// readLoop is the only goroutine that takes replies. A reply that breaks the protocol ends the
// session: what a peer says after that cannot be relied on.
func (c *Conn) readLoop() {
	for {
		kind, frame, err := c.socket.Read()
		if err != nil {
			c.broken(err)
			return
		}
		if kind != transport.Text {
			c.broken(NewError("protocol.frame", "the reply came as a binary message, not as text"))
			return
		}
		result, err := wire.DecodeResult(frame)
		clear(frame) // it holds the result in the clear
		var said *wire.ServerError
		if err != nil && !errors.As(err, &said) {
			c.broken(err)
			return
		}
		if !c.settle(result.Output, err) {
			c.broken(NewError("protocol.message", "the enclave sent a reply that nobody asked for"))
			return
		}
	}
}

// settle gives a reply to the oldest request that waits for one.
func (c *Conn) settle(output []byte, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sent) == 0 {
		return c.over != nil
	}
	request := c.sent[0]
	c.sent[0] = nil
	c.sent = c.sent[1:]
	failure := AsError(err)
	if failure != nil {
		failure.Message = withoutSecret(failure.Message, c.secret)
	}
	request.finish(output, failure)
	return true
}

// broken ends the session because of what was read. Where that was a reply, the request that it
// belongs to gets the precise error.
func (c *Conn) broken(err error) {
	failure := AsError(err)
	if failure.Reason == "limit.message" {
		failure = NewError("limit.reply", fmt.Sprintf("the result is over the limit of %d bytes", MaxInput))
	}
	if failure.Code == CodeProtocol || failure.Code == CodeLimit {
		c.mu.Lock()
		if len(c.sent) > 0 {
			c.sent[0].finish(nil, failure)
		}
		c.mu.Unlock()
	}
	c.fail(failure)
}
