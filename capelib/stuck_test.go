package capelib

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/libcape/libcape/core/transport"
)

// fillUp has calls under way on a connection whose peer takes nothing, more than the network
// holds, and gives their errors as they end.
func fillUp(t *testing.T, timeout time.Duration) (*Conn, chan error) {
	t.Helper()
	release := make(chan struct{})
	address := serve(t, func(*transport.Conn) { <-release })
	t.Cleanup(func() { close(release) })
	c := open(t, address, func(s *session) { s.timeout = timeout })
	const calls = 64
	failed := make(chan error, calls)
	var began sync.WaitGroup
	for range calls {
		began.Add(1)
		transport.Spawn(func() {
			began.Done()
			_, err := c.Invoke(context.Background(), make([]byte, 200<<10)) // short enough to be written by the caller
			failed <- err
		}, nil)
	}
	began.Wait()
	time.Sleep(200 * time.Millisecond) // until one of them is stuck
	return c, failed
}

func TestCloseWakesACallerThatIsStuckWithItsRequest(t *testing.T) {
	t.Parallel()
	c, failed := fillUp(t, time.Minute)
	began := time.Now()
	_ = c.Close()
	for range cap(failed) {
		if failure := AsError(<-failed); failure == nil || failure.Code != CodeClosed {
			t.Fatalf("a call ended with %v", failure)
		}
	}
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

func TestACallerThatIsStuckWithItsRequestEndsByItsDeadline(t *testing.T) {
	t.Parallel()
	_, failed := fillUp(t, 500*time.Millisecond)
	began := time.Now()
	for range cap(failed) {
		if failure := AsError(<-failed); failure == nil || failure.Code != CodeTimeout && failure.Code != CodeClosed {
			t.Fatalf("a call ended with %v", failure)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
}
