package transport

import (
	"context"
	"time"
)

// Spawn runs a function on a goroutine of its own. A panic there would end the whole process,
// which may be a host that only links the library, so it is recovered and its value passed to
// panicked, which may be nil. Goroutines of this module start here; the test of its layout lists
// the few that do not, such as core/attest's, and argues for each.
func Spawn(run func(), panicked func(value any)) {
	go guarded(run, panicked)
}

// SpawnAfter is Spawn when a time has passed, unless the timer is stopped before.
func SpawnAfter(wait time.Duration, run func(), panicked func(value any)) *time.Timer {
	return time.AfterFunc(wait, func() { guarded(run, panicked) })
}

// SpawnWhenDone is Spawn when a context is done, unless stop is called before; stop reports whether
// it came in time.
func SpawnWhenDone(ctx context.Context, run func(), panicked func(value any)) (stop func() bool) {
	return context.AfterFunc(ctx, func() { guarded(run, panicked) })
}

func guarded(run func(), panicked func(value any)) {
	defer func() {
		if value := recover(); value != nil && panicked != nil {
			panicked(value)
		}
	}()
	run()
}
