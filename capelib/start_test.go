package capelib_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/enclave"
)

func start(t testing.TB, conn *capelib.Conn, input []byte, o capelib.CallOptions) *capelib.Call {
	t.Helper()
	call, err := conn.Start(input, o)
	if err != nil {
		t.Fatal(err)
	}
	return call
}

func TestManyStartedCallsEachGetTheirOwnResultInOrder(t *testing.T) {
	t.Parallel()
	conn := connect(t, optionsFor(startEnclave(t)))
	ended := make(chan int, 1000)
	calls := make([]*capelib.Call, cap(ended))
	input := make([]byte, 100)
	for i := range calls {
		binary.LittleEndian.PutUint64(input, uint64(i)) // the same memory each time: Start has copied it
		calls[i] = start(t, conn, input, capelib.CallOptions{Ended: func() { ended <- i }})
	}
	for i, call := range calls {
		output, err := call.Result()
		if err != nil || len(output) != len(input) || binary.LittleEndian.Uint64(output) != uint64(i) {
			t.Fatalf("call %d: %x, %v", i, output, err)
		}
		if told := <-ended; told != i {
			t.Fatalf("call %d ended, and %d was told", i, told)
		}
	}
}

func TestACallIsCancelledOnceAndSaysWhetherItHadLeft(t *testing.T) {
	t.Parallel()
	conn := connect(t, optionsFor(startEnclave(t)))
	ended := make(chan bool, 10)
	call := start(t, conn, []byte("wait"), capelib.CallOptions{Ended: func() { ended <- true }})
	for call.Progress().Sent < call.Progress().ToSend {
		time.Sleep(time.Millisecond)
	}
	call.Cancel()
	call.Cancel()
	_, err := call.Result()
	wantError(t, err, capelib.CodeCancelled, "cancelled.outcome_unknown")
	if <-ended; len(ended) != 0 {
		t.Error("the end was told more than once")
	}
}

func TestCancellingACallThatHasEndedChangesNothing(t *testing.T) {
	t.Parallel()
	conn := connect(t, optionsFor(startEnclave(t)))
	call := start(t, conn, []byte("x"), capelib.CallOptions{})
	<-call.Done()
	call.Cancel()
	if output, err := call.Result(); err != nil || string(output) != "x" {
		t.Errorf("%q, %v", output, err)
	}
}

func TestACallHasADeadlineOfItsOwn(t *testing.T) {
	t.Parallel()
	conn := connect(t, optionsFor(startEnclave(t)))
	began := time.Now()
	_, err := start(t, conn, []byte("wait"), capelib.CallOptions{Timeout: 100 * time.Millisecond}).Result()
	wantError(t, err, capelib.CodeTimeout, "timeout.outcome_unknown")
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestALargeInputDoesNotKeepACallBeyondItsDeadline(t *testing.T) {
	t.Parallel()
	conn := connect(t, optionsFor(startEnclave(t)))
	input := make([]byte, capelib.MaxInput)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := conn.Invoke(ctx, input)
	if failure := capelib.AsError(err); failure == nil || failure.Code != capelib.CodeTimeout {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestProgressCountsTheWholeRequestAndItsReply(t *testing.T) {
	t.Parallel()
	conn := connect(t, optionsFor(startEnclave(t)))
	input := bytes.Repeat([]byte("0123456789"), 300_000)
	call := start(t, conn, input, capelib.CallOptions{})
	last := capelib.Progress{}
	for ended := false; !ended; {
		select {
		case <-call.Done():
			ended = true
		default:
		}
		now := call.Progress()
		if now.Sent < last.Sent || now.Received < last.Received || now.ToSend != int64(len(input)+48) {
			t.Fatalf("%+v after %+v", now, last)
		}
		last = now
	}
	if last.Sent != last.ToSend || last.Received < int64(len(input)/3*4) {
		t.Errorf("at the end: %+v", last)
	}
}

func TestCloseEndsStartedCalls(t *testing.T) {
	t.Parallel()
	conn := connect(t, optionsFor(startEnclave(t)))
	calls := []*capelib.Call{start(t, conn, []byte("wait"), capelib.CallOptions{}), start(t, conn, []byte("x"), capelib.CallOptions{})}
	_ = conn.Close()
	for _, call := range calls {
		_, err := call.Result()
		if failure := capelib.AsError(err); failure == nil || failure.Code != capelib.CodeClosed {
			t.Errorf("got %v", err)
		}
	}
	_, err := conn.Start(nil, capelib.CallOptions{})
	wantError(t, err, capelib.CodeClosed, "closed.not_sent")
}

func TestAStartedConnectCanBeCancelled(t *testing.T) {
	t.Parallel()
	ended := make(chan bool, 10)
	connecting, err := capelib.StartConnect(optionsFor(startEnclave(t, enclave.SilentStart)), func() { ended <- true })
	if err != nil {
		t.Fatal(err)
	}
	connecting.Cancel()
	connecting.Cancel()
	_, err = connecting.Result()
	wantError(t, err, capelib.CodeCancelled, "cancelled.not_sent")
	if <-ended; len(ended) != 0 {
		t.Error("the end was told more than once")
	}
}

func TestAStartedConnectGivesAConnection(t *testing.T) {
	t.Parallel()
	connecting, err := capelib.StartConnect(optionsFor(startEnclave(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := connecting.Result()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	connecting.Cancel() // too late to change anything
	if output, err := conn.Invoke(context.Background(), []byte("x")); err != nil || string(output) != "x" {
		t.Errorf("%q, %v", output, err)
	}
}
