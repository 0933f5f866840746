//go:build unix

package enclave

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libcape/libcape/core/transport"
)

// startForWorkers starts an enclave with a function that answers with its input.
func startForWorkers(t testing.TB, ahead int) *Enclave {
	t.Helper()
	python := os.Getenv("CAPE_PYTHON")
	if python == "" {
		var err error
		if python, err = exec.LookPath("python3"); err != nil {
			t.Skip("needs a python3 in PATH, or CAPE_PYTHON")
		}
	}
	e, err := Start(Options{
		Functions: []Function{{Folder: "../../tests/functions/echo"}}, Python: python, Scratch: t.TempDir(), WorkersAhead: ahead,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// state is how many workers there are without a function, are being started, and are waited for.
func (p *workers) state() (idle, starting, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle), p.starting, len(p.waiting)
}

// wantIdle waits until that many workers are started ahead, and no more are on their way.
func (p *workers) wantIdle(t testing.TB, want int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		idle, starting, waiting := p.state()
		if idle == want && starting == 0 && waiting == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d workers are started ahead, %d on their way, %d waited for; want %d", idle, starting, waiting, want)
		}
	}
}

func TestAsManyWorkersAsToldAreStartedAheadAndReplaced(t *testing.T) {
	t.Parallel()
	e := startForWorkers(t, 3)
	e.workers.wantIdle(t, 3)
	for range 3 {
		w, err := e.workers.take(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer w.close()
	}
	e.workers.wantIdle(t, 3)
	folders, err := filepath.Glob(filepath.Join(e.scratch, "worker-*"))
	if err != nil || len(folders) != 6 {
		t.Errorf("there are %d workers, %v; want 3 that were taken and 3 that wait", len(folders), err)
	}
}

func TestAWorkerThatIsShutInLessThanTheFirstIsRefused(t *testing.T) {
	t.Parallel()
	e := startForWorkers(t, 1)
	e.workers.wantIdle(t, 1)
	e.options.withheld = []string{"seccomp"} // nothing is being started now
	w, err := e.workers.take(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	w.close()
	var refused *Error
	if w, err = e.workers.take(context.Background()); err == nil {
		w.close()
	}
	if !errors.As(err, &refused) || refused.Reason != "argument.sandbox" || !strings.Contains(refused.Text, "seccomp") {
		t.Errorf("%v, %v", w, err)
	}
}

func TestACrowdStartsNoMoreWorkersAtOnceThanThereAreProcessors(t *testing.T) {
	t.Parallel()
	e := startForWorkers(t, 1)
	e.workers.wantIdle(t, 1)
	var group sync.WaitGroup
	for range 4 * e.workers.atOnce {
		group.Add(1)
		transport.Spawn(func() {
			defer group.Done()
			w, err := e.workers.take(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			if _, starting, _ := e.workers.state(); starting > e.workers.atOnce {
				t.Errorf("%d are being started", starting)
			}
			w.close()
		}, func(value any) { t.Error(value) })
	}
	group.Wait()
	e.workers.wantIdle(t, 1)
}

func TestWhoeverGivesUpWaitingLeavesTheWorkerToOthers(t *testing.T) {
	t.Parallel()
	e := startForWorkers(t, 1)
	e.workers.wantIdle(t, 1)
	w, err := e.workers.take(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 5 {
		if w, err := e.workers.take(ctx); err == nil {
			w.close() // it was there at once
		} else if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	e.workers.wantIdle(t, 1)
}

func TestAWorkerThatDiedBeforeItWasNeededIsNotGivenAway(t *testing.T) {
	t.Parallel()
	e := startForWorkers(t, 2)
	e.workers.wantIdle(t, 2)
	e.workers.mu.Lock()
	dead := e.workers.idle[0]
	e.workers.mu.Unlock()
	dead.kill()
	<-dead.ended
	runner := e.newRunner(context.Background(), e.functions[0], e.options.Log)
	defer runner.close()
	if output, err := runner.invoke(context.Background(), []byte("x")); err != nil || string(output) != "x" {
		t.Errorf("%q, %v", output, err)
	}
	e.workers.wantIdle(t, 2)
}

func TestADefectWhileAWorkerIsStartedIsAnErrorForOneAlone(t *testing.T) {
	t.Parallel()
	e := startForWorkers(t, 1)
	e.workers.wantIdle(t, 1)
	e.workers.mu.Lock()
	e.workers.starting++ // as if one were on its way, which then fails
	e.workers.running.Add(1)
	e.workers.mu.Unlock()
	e.workers.deliver(started{err: errors.New("no such thing")})
	for range 2 {
		w, err := e.workers.take(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		w.close()
	}
	e.workers.wantIdle(t, 1)
}

func TestAStartThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	c, theirs, err := newControl()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if err := c.conn.SetReadDeadline(time.Now()); err != nil { // as if its time had come
		t.Fatal(err)
	}
	c.listen()
	<-c.told
	if c.up || !strings.Contains(c.trouble, "not made within") {
		t.Errorf("up: %v, %q", c.up, c.trouble)
	}
}
