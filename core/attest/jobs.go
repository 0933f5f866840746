package attest

import "sync"

// concurrently runs every job, the first in the caller, and returns when all are done. A panic in
// one of them goes on in the caller, as if it had run there: on a goroutine of its own it would
// end the process, which may be a host that only links the library.
func concurrently(jobs []func()) {
	var (
		running  sync.WaitGroup
		mu       sync.Mutex
		panicked any
	)
	for _, job := range jobs[1:] {
		running.Go(func() {
			defer func() {
				if value := recover(); value != nil {
					mu.Lock()
					panicked = value
					mu.Unlock()
				}
			}()
			job()
		})
	}
	func() {
		defer running.Wait() // the others may still use what the caller gave them
		jobs[0]()
	}()
	if panicked != nil {
		panic(panicked)
	}
}
