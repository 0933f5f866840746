package attest

import (
	"sync/atomic"
	"testing"
)

func TestConcurrentlyRunsEveryJob(t *testing.T) {
	t.Parallel()
	for n := 1; n < 10; n++ {
		var ran atomic.Int32
		jobs := make([]func(), n)
		for i := range jobs {
			jobs[i] = func() { ran.Add(1) }
		}
		concurrently(jobs)
		if int(ran.Load()) != n {
			t.Errorf("%d of %d ran", ran.Load(), n)
		}
	}
}

func TestConcurrentlyHandsAPanicToTheCaller(t *testing.T) {
	t.Parallel()
	for place := range 3 {
		var ran atomic.Int32
		jobs := make([]func(), 3)
		for i := range jobs {
			jobs[i] = func() {
				ran.Add(1)
				if i == place {
					panic("job")
				}
			}
		}
		func() {
			defer func() {
				if value := recover(); value != "job" {
					t.Errorf("job %d panicked, the caller got %v", place, value)
				}
			}()
			concurrently(jobs)
		}()
		if ran.Load() != 3 {
			t.Errorf("%d of 3 ran", ran.Load())
		}
	}
}
