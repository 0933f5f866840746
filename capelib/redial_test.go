package capelib_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/enclave"
)

// gateway passes connections on to an enclave, and can be shut and cut.
type gateway struct {
	listener net.Listener
	target   string
	taken    atomic.Int64
	shut     atomic.Bool
	mu       sync.Mutex
	open     []net.Conn
}

// through puts a gateway in front of what the options name.
func through(t *testing.T, o *capelib.Options) *gateway {
	t.Helper()
	address, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{listener: listener, target: address.Host}
	address.Host = listener.Addr().String()
	o.URL = address.String()
	go g.run()
	t.Cleanup(func() { _ = listener.Close(); g.cut() })
	return g
}

func (g *gateway) run() {
	for {
		client, err := g.listener.Accept()
		if err != nil {
			return
		}
		g.taken.Add(1)
		if g.shut.Load() {
			_ = client.Close()
			continue
		}
		server, err := net.Dial("tcp", g.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		g.mu.Lock()
		g.open = append(g.open, client, server)
		g.mu.Unlock()
		for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
			go func() {
				_, _ = io.Copy(way[0], way[1])
				_ = way[0].Close()
			}()
		}
	}
}

// cut drops the connections that are open.
func (g *gateway) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range g.open {
		_ = conn.Close()
	}
	g.open = nil
}

// lose cuts the connection and waits until a call in flight has noticed it.
func (g *gateway) lose(t *testing.T, conn *capelib.Conn) {
	t.Helper()
	call := start(t, conn, []byte("wait"), capelib.CallOptions{})
	for call.Progress().Sent < call.Progress().ToSend {
		time.Sleep(time.Millisecond)
	}
	g.cut()
	_, err := call.Result()
	wantError(t, err, capelib.CodeClosed, "closed.outcome_unknown")
}

func reconnecting(t *testing.T, server *enclave.Enclave) (*capelib.Conn, *gateway) {
	t.Helper()
	o := optionsFor(server)
	o.Reconnect = true
	g := through(t, &o)
	return connect(t, o), g
}

func TestALostConnectionIsMadeAgainByTheNextCall(t *testing.T) {
	t.Parallel()
	conn, g := reconnecting(t, startEnclave(t))
	first := conn.Report()
	for range 3 {
		g.lose(t, conn)
		if output, err := conn.Invoke(context.Background(), []byte("x")); err != nil || string(output) != "x" {
			t.Fatalf("%q, %v", output, err)
		}
	}
	if conn.Report() == first {
		t.Error("the report is that of the first connection")
	}
	if n := g.taken.Load(); n != 4 {
		t.Errorf("%d connections were made", n)
	}
}

func TestWithoutTheOptionALostConnectionStaysLost(t *testing.T) {
	t.Parallel()
	o := optionsFor(startEnclave(t))
	g := through(t, &o)
	conn := connect(t, o)
	g.lose(t, conn)
	_, err := conn.Invoke(context.Background(), []byte("x"))
	wantError(t, err, capelib.CodeClosed, "closed.not_sent")
	if n := g.taken.Load(); n != 1 {
		t.Errorf("%d connections were made", n)
	}
}

func TestCallersShareOneAttemptAndKeepTheirOrder(t *testing.T) {
	t.Parallel()
	conn, g := reconnecting(t, startEnclave(t))
	g.lose(t, conn)
	var calls []*capelib.Call
	for i := range 200 {
		calls = append(calls, start(t, conn, []byte{byte(i)}, capelib.CallOptions{}))
	}
	var blocking sync.WaitGroup
	for i := range 50 {
		blocking.Go(func() {
			if output, err := conn.Invoke(context.Background(), []byte{1, byte(i)}); err != nil || !bytes.Equal(output, []byte{1, byte(i)}) {
				t.Errorf("%x, %v", output, err)
			}
		})
	}
	for i, call := range calls {
		if output, err := call.Result(); err != nil || !bytes.Equal(output, []byte{byte(i)}) {
			t.Fatalf("call %d: %x, %v", i, output, err)
		}
	}
	blocking.Wait()
	if n := g.taken.Load(); n != 2 {
		t.Errorf("%d connections were made", n)
	}
}

func TestAFailedAttemptIsToldAndTheNextOneWaits(t *testing.T) {
	t.Parallel()
	conn, g := reconnecting(t, startEnclave(t))
	g.lose(t, conn)
	g.shut.Store(true)
	began := time.Now()
	for range 4 {
		_, err := conn.Invoke(context.Background(), []byte("x"))
		if failure := wantError(t, err, capelib.CodeConnect, "connect.handshake"); !contains(failure.Message, "was not sent") {
			t.Errorf("the text is %q", failure.Message)
		}
	}
	// Three waits, of 50, 100 and 200 ms at least.
	if took := time.Since(began); took < 350*time.Millisecond {
		t.Errorf("four attempts within %v", took)
	}
	g.shut.Store(false)
	if output, err := conn.Invoke(context.Background(), []byte("x")); err != nil || string(output) != "x" {
		t.Errorf("after the outage: %q, %v", output, err)
	}
}

func TestACallThatWaitsForAConnectionKeepsItsDeadline(t *testing.T) {
	t.Parallel()
	server := startEnclave(t)
	conn, g := reconnecting(t, server)
	g.lose(t, conn)
	if err := server.SetFaults(enclave.SilentStart); err != nil {
		t.Fatal(err)
	}
	_, err := start(t, conn, []byte("x"), capelib.CallOptions{Timeout: 100 * time.Millisecond}).Result()
	wantError(t, err, capelib.CodeTimeout, "timeout.not_sent")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err = conn.Invoke(ctx, []byte("x"))
	wantError(t, err, capelib.CodeTimeout, "timeout.not_sent")
	waiting := start(t, conn, []byte("x"), capelib.CallOptions{})
	_ = conn.Close()
	_, err = waiting.Result()
	wantError(t, err, capelib.CodeClosed, "closed.not_sent")
}

func TestAnEnclaveThatNoLongerSatisfiesIsNotConnectedToAgain(t *testing.T) {
	t.Parallel()
	for fault, want := range map[enclave.Fault]struct {
		code   capelib.Code
		reason string
	}{
		enclave.ZeroPCRs:      {capelib.CodePolicy, "policy.debug_mode"},
		enclave.WrongChecksum: {capelib.CodePolicy, "policy.function_checksum"},
		enclave.ReplayedNonce: {capelib.CodeAttestation, "nonce.mismatch"},
		enclave.RejectToken:   {capelib.CodeAuth, "auth.rejected"},
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			server := startEnclave(t)
			o := optionsFor(server)
			o.Reconnect = true
			o.Policy.FunctionChecksum = checksumOf(t, server)
			g := through(t, &o)
			conn := connect(t, o)
			if err := server.SetFaults(fault); err != nil {
				t.Fatal(err)
			}
			g.lose(t, conn)
			_, err := conn.Invoke(context.Background(), []byte("x"))
			wantError(t, err, want.code, want.reason)
			if err := server.SetFaults(); err != nil {
				t.Fatal(err)
			}
			dialled := g.taken.Load()
			for range 3 {
				_, err = conn.Invoke(context.Background(), []byte("x"))
				wantError(t, err, want.code, want.reason)
			}
			if g.taken.Load() != dialled {
				t.Error("it was tried again")
			}
		})
	}
}

func TestCloseEndsAnAttempt(t *testing.T) {
	t.Parallel()
	server := startEnclave(t)
	conn, g := reconnecting(t, server)
	g.lose(t, conn)
	if err := server.SetFaults(enclave.SilentStart); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		_, err := conn.Invoke(context.Background(), []byte("x"))
		failed <- err
	}()
	for g.taken.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	_ = conn.Close()
	wantError(t, <-failed, capelib.CodeClosed, "closed.not_sent")
}

// calls makes one call after the other for a second, all of which fail.
func calls(t *testing.T, conn *capelib.Conn) {
	t.Helper()
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		if _, err := conn.Invoke(context.Background(), []byte("x")); err == nil {
			t.Fatal("a call had a result")
		}
	}
}

func TestSessionsThatBringNothingAreNotMadeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	conn, g := reconnecting(t, startEnclave(t, enclave.InvokeDropped))
	calls(t, conn)
	if n := g.taken.Load(); n < 2 || n > 10 {
		t.Errorf("%d connections were made in a second", n)
	}
}

func TestAttemptsAfterAUsefulSessionAreNotMadeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	conn, g := reconnecting(t, startEnclave(t))
	if _, err := conn.Invoke(context.Background(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	g.shut.Store(true)
	g.cut()
	calls(t, conn)
	if n := g.taken.Load(); n < 2 || n > 10 {
		t.Errorf("%d connections were made in a second", n)
	}
}

func TestAnErrorIsWhatErrorsOfContextsAre(t *testing.T) {
	t.Parallel()
	conn := connect(t, optionsFor(startEnclave(t)))
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := conn.Invoke(ctx, []byte("wait")); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Errorf("after the deadline: %v", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	cancel()
	if _, err := conn.Invoke(ctx, []byte("x")); !errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the cancellation: %v", err)
	}
}

func TestALargeCallThatWaitedForAConnectionKeepsItsDeadline(t *testing.T) {
	t.Parallel()
	server := startEnclave(t)
	conn, g := reconnecting(t, server)
	g.lose(t, conn)
	if err := server.SetFaults(enclave.SilentStart); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err := conn.Invoke(ctx, make([]byte, capelib.MaxInput))
	wantError(t, err, capelib.CodeTimeout, "timeout.not_sent")
}
