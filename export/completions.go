package main

import (
	"sync"

	"github.com/libcape/libcape/capelib"
)

// completions are the operations of one queue that have ended, in that order, each until it is
// taken. Any number may be waiting.
type completions struct {
	mu    sync.Mutex
	ended []uint64 // handles
	waker *waker   // nil once closed
	awake bool     // a byte was sent, and has not been taken back
}

// openCompletions gives a queue, and the descriptor for whoever waits for it.
func openCompletions() (*completions, int, error) {
	w, fd, err := openWaker()
	if err != nil {
		return nil, 0, capelib.NewError("limit.descriptors", "no descriptor is to be had for a completion queue ("+err.Error()+"): close some, or raise the limit")
	}
	return &completions{waker: w}, fd, nil
}

// add puts an operation that has ended at the end of the queue. After Close nobody is told.
func (q *completions) add(handle uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waker == nil {
		return
	}
	q.ended = append(q.ended, handle)
	if !q.awake {
		q.awake = true
		q.waker.wake()
	}
}

// take moves the handles of operations that are still open out of the queue, and says how many.
func (q *completions) take(into []uint64) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < len(into) && len(q.ended) > 0 {
		if handle := q.ended[0]; handles.isOpen(handle) {
			into[n] = handle
			n++
		}
		q.ended = q.ended[1:]
	}
	if q.awake && q.waker != nil {
		q.waker.clear()
		q.awake = false
	}
	// Whoever waits may have read the byte, so it is sent anew for what is left.
	if len(q.ended) > 0 && q.waker != nil {
		q.awake = true
		q.waker.wake()
	}
	return n
}

// Close ends the queue; the caller's descriptor then reads as at its end.
func (q *completions) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waker != nil {
		q.waker.close()
	}
	q.ended, q.waker = nil, nil
	return nil
}

// toTell gives the queue that an operation is to tell of its end, or nil for handle 0.
func toTell(handle uint64) (*completions, error) {
	if handle == 0 {
		return nil, nil
	}
	entry, err := handles.find(handle, completionQueue)
	if err != nil {
		return nil, err
	}
	return entry.object.(*completions), nil
}
