package capelib

import (
	"errors"
	"fmt"
	"time"

	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

// keptBuffer is how large the memory for replies may be that a session keeps while it is idle.
const keptBuffer = 1 << 20

// writeLoop sends the requests that their callers leave to it. It also asks for signs of life.
func (s *session) writeLoop() {
	ticker := time.NewTicker(s.pingEvery)
	defer ticker.Stop()
	heard, unheard := s.socket.Heard(), 0
	for {
		select {
		case <-s.ended:
			return
		case <-s.wake:
			s.turn.Lock()
			s.drain(nil)
		case <-ticker.C:
			if latest := s.socket.Heard(); latest.After(heard) {
				heard, unheard = latest, 0
			} else if unheard++; unheard == maxUnheard {
				s.fail(NewError("closed.silent", fmt.Sprintf("the enclave gave no sign of life for %v", maxUnheard*s.pingEvery)))
				return
			}
			// It may wait behind a request that has a longer deadline than most.
			if err := s.socket.Ping(time.Now().Add(max(s.timeout, s.pingEvery))); err != nil {
				s.fail(err)
				return
			}
		}
	}
}

// readLoop is the only goroutine that takes replies. A reply that breaks the protocol ends the
// session: what a peer says after that cannot be relied on.
func (s *session) readLoop() {
	var buffer []byte
	for {
		kind, frame, err := s.socket.ReadInto(buffer)
		if err != nil {
			s.broken(err)
			return
		}
		counters.bytesReceived.Add(uint64(len(frame)))
		if kind != transport.Text {
			s.broken(NewError("protocol.frame", "the reply came as a binary message, not as text"))
			return
		}
		result, err := wire.DecodeResult(frame)
		clear(frame) // it holds the result in the clear
		if buffer = frame; cap(buffer) > keptBuffer {
			buffer = nil
		}
		var said *wire.ServerError
		if err != nil && !errors.As(err, &said) {
			s.broken(err)
			return
		}
		r := s.answered()
		if r == nil {
			s.broken(NewError("protocol.message", "the enclave sent a reply that nobody asked for"))
			return
		}
		s.served.Store(true)
		failure := AsError(err)
		if s.results != nil && failure == nil {
			if forged := s.results.verify(result, r.input); forged != nil {
				clear(result.Output)
				s.fail(forged)
				r.settle(nil, forged)
				return
			}
			r.signed.Store(&wire.Result{Checksums: result.Checksums, SignedChecksums: result.SignedChecksums})
		}
		if failure != nil {
			failure.Message = withoutSecret(failure.Message, s.secret)
		}
		r.settle(result.Output, failure)
	}
}

// broken ends the session because of what was read. Where that was a reply, the request that it
// belongs to gets the precise error.
func (s *session) broken(err error) {
	failure := AsError(err)
	if failure.Reason == "limit.message" {
		failure = NewError("limit.reply", fmt.Sprintf("the result is over the limit of %d bytes", MaxInput))
	}
	var r *Call
	if failure.Code == CodeProtocol || failure.Code == CodeLimit {
		r = s.answered()
	}
	s.fail(failure)
	if r != nil {
		r.settle(nil, failure)
	}
}
