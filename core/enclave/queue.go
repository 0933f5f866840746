package enclave

import (
	"context"
	"sync/atomic"

	"github.com/libcape/libcape/core/transport"
)

const (
	queueLength = 1024 // requests
	queueCost   = 256  // bytes that a request counts for beside its own
)

// request is one message of a session that waits to be answered.
type request struct {
	kind transport.Kind
	data []byte
}

func (r request) cost() int64 { return int64(len(r.data)) + queueCost }

// queue holds the requests of one session that have arrived and are not answered yet. It is
// bounded in bytes: while it is full nothing more is read from the client. One goroutine puts,
// one takes.
type queue struct {
	requests chan request
	limit    int64
	held     atomic.Int64
	freed    chan struct{} // holds one token when something was released
}

func newQueue(limit int64) *queue {
	return &queue{requests: make(chan request, queueLength), limit: limit, freed: make(chan struct{}, 1)}
}

// put adds a request. It waits for room, of which there is always enough for a single request,
// and reports false when ctx ends first.
func (q *queue) put(ctx context.Context, r request) bool {
	for held := q.held.Load(); held > 0 && held+r.cost() > q.limit; held = q.held.Load() {
		select {
		case <-q.freed:
		case <-ctx.Done():
			return false
		}
	}
	q.held.Add(r.cost())
	select {
	case q.requests <- r:
		return true
	case <-ctx.Done():
		return false
	}
}

// release is called for a request that was taken from requests, once it is answered.
func (q *queue) release(r request) {
	q.held.Add(-r.cost())
	select {
	case q.freed <- struct{}{}:
	default:
	}
}
