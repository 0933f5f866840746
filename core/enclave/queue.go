package enclave

import (
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
// bounded in bytes and in number. It never waits for room, so that whoever puts can go on
// reading and answers pings. One goroutine puts, one takes.
type queue struct {
	requests chan request
	limit    int64        // bytes
	held     atomic.Int64 // bytes of what waits and of what is being answered
}

func newQueue(limit int64, length int) *queue {
	return &queue{requests: make(chan request, length), limit: limit}
}

// put adds a request, without its data when that would be over the limit. It reports false when
// too many wait already.
func (q *queue) put(r request) bool {
	if q.held.Load()+int64(len(r.data)) > q.limit {
		r.data, r.dropped = nil, true
	}
	q.held.Add(int64(len(r.data)))
	select {
	case q.requests <- r:
		return true
	default:
		return false
	}
}

// release is called for a request that was taken from requests, once it is answered.
func (q *queue) release(r request) {
	q.held.Add(-int64(len(r.data)))
	if r.upload != nil {
		r.upload.close()
	}
}

// drain releases what waits, when nobody takes any more of it.
func (q *queue) drain() {
	for {
		select {
		case r := <-q.requests:
			q.release(r)
		default:
			return
		}
	}
}
