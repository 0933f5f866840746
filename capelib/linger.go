package capelib

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/libcape/libcape/core/transport"
)

const (
	// lingerTime is somewhat more than a short function of an enclave nearby takes, network and all.
	lingerTime = 500 * time.Microsecond
	// mostSleepers bounds how many calls in a row sleep at once after one has lingered in vain: the
	// first time it is one, and each further time twice as many. A slow function costs next to nothing so.
	mostSleepers = 64
)

// lingering is held by the caller who lingers. With one at a time, there are processors for the work
// that it waits for.
var lingering atomic.Bool

// patience is what lingering on a session has come to. It is for who holds lingering.
type patience struct {
	sleepers int // calls that are yet to sleep at once
	latest   int // what sleepers was after the latest call that lingered; 0 where it had its reply
}

// Linger waits for the end of the call, but only for a moment and without sleeping: to be woken may
// take longer than the reply of a short function. The processor is for whoever else wants it
// meanwhile. It does nothing where other calls of the session are under way, or replies are known to
// take longer.
func (r *Call) Linger() {
	s := r.session.Load()
	if s == nil || !s.alone(r) || runtime.GOMAXPROCS(0) == 1 || !lingering.CompareAndSwap(false, true) {
		return
	}
	defer lingering.Store(false)
	p := &s.patience
	if p.sleepers > 0 {
		p.sleepers--
		return
	}
	for began := time.Now(); time.Since(began) < lingerTime; transport.Yield() {
		select {
		case <-r.done:
			p.latest = 0
			return
		default:
		}
	}
	p.latest = min(max(1, 2*p.latest), mostSleepers)
	p.sleepers = p.latest
}
