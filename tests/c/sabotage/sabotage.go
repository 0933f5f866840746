// Package sabotage makes the library panic where and when a test says. Nothing imports it: the
// suite next to it builds a library into whose source it has put calls of Here.
package sabotage

import (
	"sync"
	"time"
)

// Secret is part of the value that Here panics with. No message may repeat it.
const Secret = "a payload of the host"

var (
	mu    sync.Mutex
	armed string
	left  int // times that Here has to be called there; 0: it has panicked, or nothing is armed
	shots int

	stalled string
	stall   time.Duration
)

// Arm has the nth call of Here for a place panic, once, and forgets what was armed before. It
// returns how many panics there have been since then.
func Arm(place string, nth int) int {
	mu.Lock()
	defer mu.Unlock()
	fired := shots
	armed, left, shots = place, nth, 0
	return fired
}

// Stall holds up whoever comes next by a place.
func Stall(place string, by time.Duration) {
	mu.Lock()
	defer mu.Unlock()
	stalled, stall = place, by
}

// Here panics if this is the place and the time.
func Here(place string) {
	time.Sleep(stalls(place))
	if fires(place) {
		panic(Secret)
	}
}

func stalls(place string) (by time.Duration) {
	mu.Lock()
	defer mu.Unlock()
	if stalled == place {
		by, stall = stall, 0
	}
	return by
}

func fires(place string) bool {
	mu.Lock()
	defer mu.Unlock()
	if left == 0 || armed != place {
		return false
	}
	left--
	if left > 0 {
		return false
	}
	shots++
	return true
}
