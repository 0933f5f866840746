package capelib

import (
	"fmt"
	"sync"
	"sync/atomic"
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
	// maxUnderway bounds the calls of a session that have had no reply, those that were given up
	// too: a peer that lives but does not reply would have them grow without end.
	maxUnderway = 1 << 18
	// shortRequest is how long a request may be that its own caller writes, in bytes. The caller
	// of a longer one must be free to end at its deadline.
	shortRequest = 256 << 10
)

// session is one websocket to one attested enclave. One goroutine writes requests in the order in
// which they were queued, another reads replies, which come in that order too.
type session struct {
	socket    *transport.Conn
	document  *attested
	publicKey []byte
	host      string
	timeout   time.Duration // for writing one request
	pingEvery time.Duration
	secret    string          // the token: no text of the peer's may bring it back
	again     string          // what to do when the session has ended
	results   *resultVerifier // nil: results are as TLS delivers them
	wake      chan struct{}   // tells the writer that the queue has changed
	ended     chan struct{}   // closed when the session is over

	ahead  atomic.Pointer[hpke.Context] // for the next request; nil: there is none yet
	served atomic.Bool                  // a reply has come, and no attempt to go on after this session was made yet

	turn sync.Mutex // held by who takes from the queue and writes

	patience patience // see [Call.Linger]

	mu          sync.Mutex
	queue       []*Call // not yet taken by the writer
	unanswered  []*Call // waiting for their replies, oldest first
	writing     *Call   // what is being written, or nil
	byCaller    bool    // its own caller writes it, who has to be free at its deadline
	writeBegan  int64   // socket.Sent when it began
	replyBegins int64   // socket.Received at the end of the last reply
	over        *Error  // why the session ended; nil while it goes on
}

// start completes a session and sets its two goroutines to work.
func (s *session) start() *session {
	s.wake, s.ended = make(chan struct{}, 1), make(chan struct{})
	s.replyBegins = s.socket.Received()
	transport.Spawn(s.writeLoop, s.panicked)
	transport.Spawn(s.readLoop, s.panicked)
	return s
}

// take gives a call its place in the queue. It has to be sealed then. The error says why the
// session has ended.
func (s *session) take(r *Call) *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil {
		return s.over
	}
	if len(s.queue)+len(s.unanswered) >= maxUnderway {
		return NewError("limit.calls", fmt.Sprintf("%d calls of this connection have had no reply yet, which is the most: wait for some, or open another connection", maxUnderway))
	}
	s.queue = append(s.queue, r)
	r.session.Store(s)
	return nil
}

// seal seals the input of a call that was taken, in a context of its own and outside any lock.
// Calls that were taken later wait for it, so somebody has to write next.
func (s *session) seal(r *Call, input []byte) {
	failure := NewError("panic.recovered", "the input could not be sealed")
	defer func() {
		if failure != nil {
			r.settle(nil, failure) // so that a panic here keeps nobody waiting
			s.tellWriter()
		}
	}()
	if r.state.Load() == settled {
		failure = nil
		return
	}
	context, err := s.ahead.Swap(nil), error(nil)
	if context == nil {
		context, err = hpke.Prepare(s.publicKey)
	}
	var key, ciphertext []byte
	if err == nil {
		key, ciphertext, err = context.Seal(input)
	}
	if err != nil {
		failure = NewError("key.unusable", "the input cannot be sealed to the enclave's key: "+err.Error())
		return
	}
	failure = nil
	if s.results != nil {
		r.input = digestOf(input)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.state.Load() == queued {
		r.sealed = &sealed{key, ciphertext}
	}
}

// prepare makes the context of the next request, while the enclave is busy with this one: whoever
// calls has nothing to do meanwhile, and the next call takes the shorter for it.
func (s *session) prepare() {
	if s.ahead.Load() != nil {
		return
	}
	if context, err := hpke.Prepare(s.publicKey); err == nil { // otherwise the next request tells
		s.ahead.CompareAndSwap(nil, context)
	}
}

// alone says that a call which was taken is the only one under way.
func (s *session) alone(r *Call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unanswered) > 0 {
		return s.unanswered[0] == r && len(s.unanswered)+len(s.queue) == 1
	}
	return len(s.queue) == 1 && s.queue[0] == r
}

// writeOwn sends the request of a caller who waits for its result anyway, if it is next and nobody
// else is writing: this spares a change of threads. Whatever else there is, the writer sends.
func (s *session) writeOwn(r *Call) {
	if s.turn.TryLock() {
		s.drain(r)
	}
	s.tellWriter()
}

// writeAll sends all requests that are ready, unless somebody is at it.
func (s *session) writeAll() {
	if s.turn.TryLock() {
		s.drain(nil)
	}
	s.tellWriter() // of what came meanwhile
}

// drain sends the requests that are ready; only, if not nil, is the one that it is for. It ends
// the turn, which the caller took.
func (s *session) drain(only *Call) {
	defer s.turn.Unlock()
	for r, request := s.next(only); r != nil; r, request = s.next(only) {
		patience := s.timeout
		if only != nil {
			patience = grace // a deadline in the middle of a write must not cost the connection
		}
		deadline := time.Now().Add(patience)
		if r.deadline.After(deadline) {
			deadline = r.deadline
		}
		if err := s.socket.WritePieces(transport.Binary, deadline, request.encapsulated, request.ciphertext); err != nil {
			s.fail(err)
			return
		}
		s.wrote(r)
		counters.bytesSent.Add(uint64(r.size))
	}
}

// tellWriter is for when the queue has changed.
func (s *session) tellWriter() {
	s.mu.Lock()
	empty := len(s.queue) == 0
	s.mu.Unlock()
	if empty {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default: // the writer has been told already
	}
}

// next hands the oldest request to the writer, and counts it as sent: from here on nobody can
// know whether it runs. It is nil while that request is still being sealed, and where only is not
// nil, unless it is that one, and short.
func (s *session) next(only *Call) (*Call, *sealed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 {
		r := s.queue[0]
		if r.sealed == nil && r.state.Load() == queued {
			break
		}
		if only != nil && (r != only || r.size > shortRequest) {
			break
		}
		s.queue[0] = nil
		s.queue = s.queue[1:]
		if r.state.CompareAndSwap(queued, sent) {
			request := r.sealed
			r.sealed = nil
			s.unanswered = append(s.unanswered, r)
			s.writing, s.byCaller, s.writeBegan = r, only != nil, s.socket.Sent()
			return r, request
		}
	}
	return nil, nil
}

// wrote notes that a request is with the network.
func (s *session) wrote(r *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = nil
	r.written = r.size
}

// forget drops what a call that was given up holds. Its place in the queue goes when the writer
// comes to it. A caller who writes is woken, a moment later: behind the answer to a ping, which the
// peer does not take, a deadline of the write alone would not do.
func (s *session) forget(r *Call) {
	s.mu.Lock()
	r.sealed = nil
	stuck := s.writing == r && s.byCaller
	s.mu.Unlock()
	if stuck {
		transport.SpawnAfter(grace, func() { s.failStuck(r) }, s.panicked)
	}
	s.tellWriter()
}

// failStuck ends the session if a request is still being written.
func (s *session) failStuck(r *Call) {
	s.mu.Lock()
	stuck := s.writing == r
	s.mu.Unlock()
	if stuck {
		s.fail(&transport.Error{Reason: "timeout.write", Text: "the peer did not take the message before the deadline"})
	}
}

// answered takes the oldest request that waits for a reply, which has just come. It is nil where
// there is none.
func (s *session) answered() *Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	received := s.socket.Received()
	if len(s.unanswered) == 0 {
		return nil
	}
	r := s.unanswered[0]
	s.unanswered[0] = nil
	s.unanswered = s.unanswered[1:]
	r.received = received - s.replyBegins
	s.replyBegins = received
	return r
}

// progress gives the bytes of a call that have been sent and received.
func (s *session) progress(r *Call) (written, received int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	written, received = r.written, r.received
	if s.writing == r {
		written = s.socket.Sent() - s.writeBegan
	}
	if len(s.unanswered) > 0 && s.unanswered[0] == r {
		received = s.socket.Received() - s.replyBegins
	}
	return written, received
}

// close ends the session and says goodbye to the peer, without waiting for it.
func (s *session) close(why *Error) {
	s.mu.Lock()
	busy := s.writing != nil // perhaps with a peer that takes nothing: whoever is at it must not wait
	s.mu.Unlock()
	if !s.end(why, nil) {
		return
	}
	if busy {
		_ = s.socket.Close()
		return
	}
	transport.Spawn(func() { s.socket.CloseWith(1000, "") }, nil)
}

// fail ends the session because of the peer or the network.
func (s *session) fail(err error) {
	failure := AsError(err)
	failure.Message = withoutSecret(failure.Message, s.secret)
	if s.end(failure, func() {
		logf(LevelWarning, "the connection to %s was lost: %s%s", s.host, failure.Message, withoutSecret(origins(failure), s.secret))
	}) {
		_ = s.socket.Close()
	}
}

// end stops the session for a reason, and settles every pending request; tell, if not nil, is called
// before anybody hears of it. It reports whether the session was still going on.
func (s *session) end(why *Error, tell func()) bool {
	s.mu.Lock()
	if s.over != nil {
		s.mu.Unlock()
		return false
	}
	s.over = why
	if s.writing != nil {
		s.writing.written = s.socket.Sent() - s.writeBegan
	}
	if len(s.unanswered) > 0 {
		s.unanswered[0].received = s.socket.Received() - s.replyBegins
	}
	pending := [...][]*Call{s.queue, s.unanswered}
	s.queue, s.unanswered, s.writing = nil, nil, nil
	s.mu.Unlock()
	if tell != nil {
		tell()
	}
	close(s.ended)
	for _, calls := range pending {
		for _, r := range calls {
			if r.state.CompareAndSwap(queued, settled) {
				r.finish(nil, s.notSent(why))
				continue
			}
			r.settle(nil, s.outcomeUnknown(why))
		}
	}
	return true
}

func (s *session) panicked(value any) { s.fail(Panicked(value)) }

func (s *session) notSent(why *Error) *Error {
	return ended("closed.not_sent", "the request was not sent: ", why, s.again)
}

func (s *session) outcomeUnknown(why *Error) *Error {
	return ended("closed.outcome_unknown", "the request was sent, and the function may have run: ", why, s.again)
}

func ended(reason, prefix string, why *Error, again string) *Error {
	if why.Code == CodePanic {
		return why
	}
	message := prefix + why.Message
	if why.Reason != "closed.local" {
		message += "; " + again
	}
	result := NewError(reason, message)
	result.cause = why
	return result
}
