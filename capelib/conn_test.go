package capelib_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

func TestInvokeReturnsTheFunctionsResult(t *testing.T) {
	t.Parallel()
	conn := connect(t, optionsFor(startEnclave(t)))
	for _, input := range [][]byte{nil, {}, []byte("hello"), bytes.Repeat([]byte{0, 0xff}, 1<<20)} {
		output, err := conn.Invoke(context.Background(), input)
		if err != nil || !bytes.Equal(output, input) {
			t.Errorf("%d bytes: %d come back, %v", len(input), len(output), err)
		}
	}
}

func TestInvokeTakes64MiB(t *testing.T) {
	t.Parallel()
	o := optionsFor(startEnclave(t))
	o.Timeout = time.Minute
	conn := connect(t, o)
	input := bytes.Repeat([]byte("0123456789abcdef"), 4<<20)
	output, err := conn.Invoke(context.Background(), input)
	if err != nil || !bytes.Equal(output, input) {
		t.Errorf("%d bytes come back, %v", len(output), err)
	}
}

func TestInvokeRefusesAnInputOverTheLimit(t *testing.T) {
	t.Parallel()
	conn := connect(t, optionsFor(startEnclave(t)))
	_, err := conn.Invoke(context.Background(), make([]byte, capelib.MaxInput+1))
	wantError(t, err, capelib.CodeLimit, "limit.input")
	if _, err := conn.Invoke(context.Background(), []byte("x")); err != nil {
		t.Errorf("the connection does not go on: %v", err)
	}
}

func TestAFunctionsErrorIsToldAndTheConnectionGoesOn(t *testing.T) {
	t.Parallel()
	conn := connect(t, optionsFor(startEnclave(t)))
	for range 3 {
		_, err := conn.Invoke(context.Background(), []byte("fail"))
		failure := wantError(t, err, capelib.CodeFunction, "function.error")
		if failure.Message != "ValueError: as asked" {
			t.Errorf("the text is %q", failure.Message)
		}
		if _, err := conn.Invoke(context.Background(), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestParallelInvokesEachGetTheirOwnResult(t *testing.T) {
	t.Parallel()
	conn := connect(t, optionsFor(startEnclave(t)))
	var group sync.WaitGroup
	for worker := range 16 {
		group.Go(func() {
			for round := range 50 {
				input := bytes.Repeat(fmt.Appendf(nil, "%d/%d ", worker, round), 1+round*20)
				output, err := conn.Invoke(context.Background(), input)
				if err != nil || !bytes.Equal(output, input) {
					t.Errorf("worker %d, round %d: another result, or %v", worker, round, err)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestCloseWakesPendingCalls(t *testing.T) {
	t.Parallel()
	conn := connect(t, optionsFor(startEnclave(t)))
	failed := make(chan error, 8)
	var started, group sync.WaitGroup
	started.Add(cap(failed))
	for range cap(failed) {
		group.Go(func() {
			started.Done()
			_, err := conn.Invoke(context.Background(), []byte("wait"))
			failed <- err
		})
	}
	started.Wait()
	_ = conn.Close()
	_ = conn.Close()
	group.Wait()
	for range cap(failed) {
		failure := capelib.AsError(<-failed)
		if failure == nil || failure.Code != capelib.CodeClosed {
			t.Errorf("a pending call ended with %v", failure)
		}
	}
	_, err := conn.Invoke(context.Background(), nil)
	wantError(t, err, capelib.CodeClosed, "closed.not_sent")
}

func TestCancellingSaysWhetherTheRequestHadLeft(t *testing.T) {
	t.Parallel()
	conn := connect(t, optionsFor(startEnclave(t)))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := conn.Invoke(ctx, []byte("x"))
	wantError(t, err, capelib.CodeCancelled, "cancelled.not_sent")

	ctx, cancel = context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err = conn.Invoke(ctx, []byte("wait"))
	wantError(t, err, capelib.CodeTimeout, "timeout.outcome_unknown")
}

func TestConnectStopsWhenCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := capelib.Connect(ctx, optionsFor(startEnclave(t)))
	wantError(t, err, capelib.CodeCancelled, "cancelled.not_sent")
}

func TestReportNamesWhoAnswered(t *testing.T) {
	t.Parallel()
	server := startEnclave(t)
	report := connect(t, optionsFor(server)).Report()
	if report.Verdict != "accepted" || !strings.HasPrefix(report.ModuleID, "i-") ||
		report.PCRs["0"] != fmt.Sprintf("%x", server.Info().PCRs[0]) || report.TimestampMS == 0 {
		t.Errorf("the report is %+v", report)
	}
	for _, step := range report.Steps {
		if step.Status != "ok" {
			t.Errorf("step %s is %s", step.Step, step.Status)
		}
	}
}
