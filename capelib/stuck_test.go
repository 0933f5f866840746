package capelib

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
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

func TestACallMayTakeLongerToLeaveThanTheTimeOutOfItsConnection(t *testing.T) {
	address := serve(t, func(peer *transport.Conn) {
		time.Sleep(time.Second)
		transport.Spawn(func() { _, _ = io.Copy(io.Discard, peer.NetConn()) }, nil)
		_ = peer.Write(transport.Text, wire.EncodeResult(wire.Result{Output: []byte("done")}), time.Now().Add(time.Second))
		time.Sleep(time.Second)
	})
	c := open(t, address, func(s *session) { s.timeout = 100 * time.Millisecond })
	r, err := c.Start(make([]byte, 32<<20), CallOptions{Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if output, err := r.Result(); string(output) != "done" {
		t.Errorf("the call ended with %q, %v", output, err)
	}
}

func TestACallerEndsByItsDeadlineBehindTheAnswerToAPing(t *testing.T) {
	release, full := make(chan struct{}), make(chan struct{})
	defer close(release)
	address := serve(t, func(peer *transport.Conn) {
		<-full
		_ = peer.Ping(time.Now().Add(time.Second))
		<-release
	})
	c := open(t, address, func(s *session) { s.timeout = 300 * time.Millisecond })
	network := c.session.socket.NetConn()
	for n := 1; n > 0; { // until neither side holds another byte
		_ = network.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		n, _ = network.Write(make([]byte, 64<<20))
	}
	before := c.session.socket.Heard()
	close(full)
	for !c.session.socket.Heard().After(before) {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // until the answer is stuck
	began := time.Now()
	_, err := c.Invoke(context.Background(), []byte("x"))
	if failure := AsError(err); failure == nil || failure.Reason != "timeout.outcome_unknown" {
		t.Errorf("the call ended with %v", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestStartWaitsForNoPeer(t *testing.T) {
	answer := make(chan struct{})
	defer close(answer)
	address := serve(t, func(peer *transport.Conn) { // answers, and reads nothing
		for range answer {
			_ = peer.Write(transport.Text, wire.EncodeResult(wire.Result{}), time.Now().Add(time.Second))
		}
	})
	c := open(t, address, func(*session) {})
	for range 2000 {
		began := time.Now()
		r, err := c.Start(make([]byte, sealAtOnce), CallOptions{Timeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Fatalf("it took %v", took)
		}
		time.Sleep(20 * time.Microsecond)
		if r.Progress().Sent < sealAtOnce {
			time.Sleep(50 * time.Millisecond)
			if r.Progress().Sent < sealAtOnce {
				return // the network is full
			}
		}
		answer <- struct{}{}
		_, _ = r.Result()
	}
	t.Error("the network was never full")
}

func TestADeadlineInTheMiddleOfAWriteDoesNotCostTheConnection(t *testing.T) {
	address := serve(t, func(peer *transport.Conn) {
		for {
			if _, _, err := peer.Read(); err != nil {
				return
			}
			_ = peer.Write(transport.Text, wire.EncodeResult(wire.Result{}), time.Now().Add(time.Second))
		}
	})
	c := open(t, address, func(*session) {})
	for i := range 2000 {
		if r, err := c.Start([]byte("x"), CallOptions{Timeout: time.Duration(50+i%50) * time.Microsecond}); err == nil {
			_, _ = r.Result()
		}
		if _, err := c.Invoke(context.Background(), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProgressStaysWhenTheConnectionIsLost(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	address := serve(t, func(*transport.Conn) { <-release })
	c := open(t, address, func(*session) {})
	r, err := c.Start(make([]byte, 32<<20), CallOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for r.Progress().Sent == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // until it is stuck
	before := r.Progress()
	_ = c.Close()
	_, _ = r.Result()
	if after := r.Progress(); after != before {
		t.Errorf("%+v has become %+v", before, after)
	}
}
