package attest

import "sync"

// concurrently runs every job and returns when all are done. A panic in one of them goes on in
// the caller, as if it had run there: on a goroutine of its own it would end the process.
func concurrently(jobs []func()) {
	if len(jobs) == 0 {
		return
	}
	var (
		running  sync.WaitGroup
		mu       sync.Mutex
		panicked any
	)
	for _, job := range jobs[1:] {
		running.Add(1)
		go func() {
			defer running.Done()
			defer func() {
				if value := recover(); value != nil {
					mu.Lock()
					panicked = value
					mu.Unlock()
				}
			}()
			job()
		}()
	}
	func() {
		defer running.Wait()
		jobs[0]()
	}()
	if panicked != nil {
		panic(panicked)
	}
}
