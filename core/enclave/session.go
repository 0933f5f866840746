package enclave

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

const (
	maxStart     = 64 << 10 // bytes of a session's first message
	frameSlack   = 64 << 10 // how far over the limit a request may be and still get an answer
	writeTimeout = 30 * time.Second
	writeRate    = 64 << 10 // bytes a second that a client has to take at least
	closeNormal  = 1000     // RFC 6455 section 7.4.1
	closePolicy  = 1008
)

// tooMany is what a client is told whose requests are not kept.
const tooMany = "too many requests are waiting: send fewer at once"

// session is one connection: a document, then requests and replies in the same order. One
// goroutine reads and waits for nothing else, so that pings are answered all the time, another
// runs the function.
type session struct {
	*conversation
	enclave   *Enclave
	conn      *transport.Conn
	below     net.Conn // what conn runs over, for faults
	key       *hpke.PrivateKey
	signer    *resultSigner
	claims    claims
	busy      atomic.Bool    // the document is being made: it is not the client who is idle
	begun     chan struct{}  // closed when the first message has come
	attested  chan struct{}  // closed when the document has been sent
	attesting sync.WaitGroup // of attestLater
	queue     *queue
	log       *slog.Logger
}

// conversation is what a session is about: that which differs from route to route.
type conversation struct {
	function *function // nil: the route runs none
	limit    int64     // bytes of a message
	uploads  bool      // its first binary message is a function, which may have more and goes to a file
	queued   int64     // bytes of all messages that wait
	leave    func()    // called when it is over, if not before; nil: nothing is to be done
	// claim adds to what the document states; nil: nothing. It may take its time.
	claim func(ctx context.Context, c *claims) error
	// standing says whether the session may go on, see Caller; nil: nothing can end it.
	standing func() error
	// talk holds the session from the document on, until it is over.
	talk func(s *session, ctx context.Context)
}

// run holds the session until either side ends it.
func (s *session) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer transport.SpawnWhenDone(ctx, func() { _ = s.conn.Close() }, nil)()
	s.log.Debug("session opened")
	answered := make(chan struct{})
	transport.Spawn(func() {
		defer close(answered)
		defer cancel()
		s.answer(ctx)
	}, s.enclave.panicked)
	s.read(ctx)
	cancel()
	<-answered
	s.attesting.Wait()
	s.queue.drain()
	s.log.Debug("session closed")
}

// read takes the first message and answers it, then hands on what follows.
func (s *session) read(ctx context.Context) {
	arrived := s.hurry(ctx)
	defer arrived()
	kind, data, err := s.conn.Read()
	if err != nil {
		return
	}
	close(s.begun)
	if s.claim != nil {
		s.attestLater(ctx, kind, data)
	} else if !s.attest(ctx, kind, data) {
		return
	}
	if s.uploads && !s.readUpload() {
		return
	}
	arrived()
	s.conn.SetReadLimit(s.limit + frameSlack)
	for {
		kind, data, err := s.conn.Read()
		if err != nil {
			return
		}
		if !s.queue.put(request{kind: kind, data: data}) {
			s.log.Warn("session closed: too many requests wait", "limit", queueLength)
			s.conn.Refuse(closePolicy, tooMany)
			return
		}
	}
}

// attest answers the first message, and reports whether the session goes on.
func (s *session) attest(ctx context.Context, kind transport.Kind, data []byte) bool {
	s.busy.Store(true)
	defer s.busy.Store(false)
	frame, err := s.document(ctx, kind, data)
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		s.log.Warn("session refused", "error", err)
		s.end(err.Error())
		return false
	}
	if !s.sendDocument(ctx, frame) {
		return false
	}
	close(s.attested)
	return true
}

// attestLater is attest where the document states what may still have to be made, so that meanwhile
// pings are answered, and a client that has gone is missed.
func (s *session) attestLater(ctx context.Context, kind transport.Kind, data []byte) {
	s.attesting.Add(1)
	transport.Spawn(func() {
		defer s.attesting.Done()
		if !s.attest(ctx, kind, data) {
			_ = s.conn.Close()
		}
	}, func(value any) {
		s.enclave.panicked(value)
		_ = s.conn.Close()
	})
}

// document makes the session's key and has the security module sign it.
func (s *session) document(ctx context.Context, kind transport.Kind, data []byte) ([]byte, error) {
	if kind != transport.Text {
		return nil, &wire.Error{Reason: "protocol.message", Text: "the first message is binary: send the nonce as JSON in a text message"}
	}
	nonce, err := wire.DecodeStart(data)
	if err != nil {
		return nil, err
	}
	if s.key, err = hpke.GenerateKey(); err != nil {
		return nil, err
	}
	if s.claim != nil {
		if err := s.claim(ctx, &s.claims); err != nil && ctx.Err() == nil {
			return nil, s.enclave.refusal(err)
		} else if err != nil {
			return nil, err
		}
	}
	if s.function != nil {
		s.claims.checksum = s.function.checksum[:]
		if !wire.IsUnsignedStart(data) {
			if s.signer, err = s.enclave.results(); err != nil {
				return nil, err
			}
			s.claims.signer = s.signer.public
		}
	}
	s.claims.publicKey, s.claims.nonce = s.key.PublicKey(), nonce
	document, err := s.enclave.attest(s.claims)
	if err != nil {
		return nil, err
	}
	return wire.EncodeAttestation(document), nil
}

// answer holds the conversation once the document has been sent: whoever sends no nonce gets
// nothing of it.
func (s *session) answer(ctx context.Context) {
	if _, ok := await(ctx, s, s.begun, time.Now()); !ok {
		return
	}
	select { // what the document states may still be in the making: the client does not idle
	case <-s.attested:
		s.talk(s, ctx)
	case <-ctx.Done():
	}
}

// runFunction runs the function for each request, in order, until ctx ends or the session is idle.
// What the function needs is started between the document and the first request.
func (s *session) runFunction(ctx context.Context) {
	f, release, err := s.enclave.opened(ctx, s.function)
	if err != nil {
		s.log.Error("the function cannot be opened", "error", err)
		asked, ok := s.next(ctx) // an error that nobody waits for is lost
		if !ok {
			return
		}
		s.queue.release(asked)
		s.end("the function cannot be opened: the enclave's log has the details")
		return
	}
	defer release()
	runner := s.enclave.newRunner(ctx, f, s.log)
	defer runner.close()
	for {
		next, ok := s.next(ctx)
		if !ok {
			return
		}
		ok = s.reply(ctx, runner, next)
		s.queue.release(next)
		if !ok {
			return
		}
	}
}

// mayGoOn says whether the caller may still do what the session is about.
func (s *session) mayGoOn() error {
	if s.standing == nil {
		return nil
	}
	return s.standing()
}

// next waits for a message. Who takes one releases it in the queue.
func (s *session) next(ctx context.Context) (request, bool) {
	for {
		if next, ok := s.queue.take(); ok {
			return next, true
		}
		if _, ok := await(ctx, s, s.queue.some, time.Now()); !ok {
			return request{}, false
		}
	}
}

// end tells the client why the session is over, and closes it.
func (s *session) end(text string) {
	_ = s.write(transport.Text, wire.EncodeError(boundText(text)))
	s.conn.CloseWith(closeNormal, "")
}

// await waits for the next from a channel. It closes the session when nothing was heard from the
// client, a ping counting as life, for as long as the options allow. Before that it looks once
// more after a moment: on a machine that was busy or asleep, something may have arrived and not
// been read.
func await[T any](ctx context.Context, s *session, from <-chan T, last time.Time) (next T, ok bool) {
	timer := time.NewTimer(s.idleLeft(last))
	defer timer.Stop()
	for lookedAgain := false; ; {
		select {
		case next = <-from:
			return next, true
		case <-ctx.Done():
			return next, false
		case <-timer.C:
		}
		left := s.idleLeft(last)
		switch {
		case left > 0:
			lookedAgain = false
		case !lookedAgain:
			lookedAgain = true
			left = min(s.enclave.options.IdleTimeout/8, time.Second)
		default:
			s.log.Debug("session was idle")
			s.conn.CloseWith(closeNormal, "the session was idle")
			return next, false
		}
		timer.Reset(left)
	}
}

func (s *session) idleLeft(last time.Time) time.Duration {
	if s.busy.Load() {
		return s.enclave.options.IdleTimeout
	}
	if heard := s.conn.Heard(); heard.After(last) {
		last = heard
	}
	return s.enclave.options.IdleTimeout - time.Since(last)
}

// write sends a message, within a time that depends on its size.
func (s *session) write(kind transport.Kind, frame []byte) error {
	allowed := writeTimeout + time.Duration(len(frame)/writeRate)*time.Second
	return s.conn.Write(kind, frame, time.Now().Add(allowed))
}

// maxPlain is how large an input or an output may be, in bytes.
func (e *Enclave) maxPlain() int64 { return e.options.MaxInput + envelopeAllowance }

// maxSealed is how large a sealed request may be, in bytes.
func (e *Enclave) maxSealed() int64 { return e.maxPlain() + hpke.Overhead }
