package enclave

import (
	"sync"
	"sync/atomic"

	"github.com/libcape/libcape/core/transport"
)

const (
	queueLength  = 4096 // requests that wait, of any size
	queueLargest = 4    // requests of the largest size that are kept
)

// request is one message of a session that waits to be answered.
type request struct {
	kind    transport.Kind
	data    []byte
	upload  *upload // the message lies in a file; nil: in data
	dropped bool    // there was no room for data: only its place among the others is kept
}

// queue holds the requests of one session that have arrived and are not answered yet. It is
// bounded in bytes and in number, and has memory for no more than have waited at once. It never
// waits for room, so that whoever puts can go on reading and answers pings. One goroutine puts, one takes.
type queue struct {
	some   chan struct{} // has one when there may be a request
	limit  int64         // bytes
	length int           // requests
	held   atomic.Int64  // bytes of what waits and of what is being answered

	mu      sync.Mutex
	waiting []request
}

func newQueue(limit int64, length int) *queue {
	return &queue{some: make(chan struct{}, 1), limit: limit, length: length}
}

// put adds a request, without its data when that would be over the limit. It reports false when
// too many wait already.
func (q *queue) put(r request) bool {
	if q.held.Load()+int64(len(r.data)) > q.limit {
		r.data, r.dropped = nil, true
	}
	q.mu.Lock()
	full := len(q.waiting) >= q.length
	if !full {
		q.held.Add(int64(len(r.data)))
		q.waiting = append(q.waiting, r)
	}
	q.mu.Unlock()
	select {
	case q.some <- struct{}{}:
	default:
	}
	return !full
}

// take returns the first of the requests that wait, if there is one.
func (q *queue) take() (first request, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return first, false
	}
	first = q.waiting[0]
	q.waiting[0] = request{}
	if q.waiting = q.waiting[1:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
	return first, true
}

// release is called for a request that was taken, once it is answered.
func (q *queue) release(r request) {
	q.held.Add(-int64(len(r.data)))
	if r.upload != nil {
		r.upload.close()
	}
}

// drain releases what waits, when nobody takes any more of it.
func (q *queue) drain() {
	for r, ok := q.take(); ok; r, ok = q.take() {
		q.release(r)
	}
}
