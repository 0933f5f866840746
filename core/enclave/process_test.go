//go:build unix

package enclave_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/libcape/libcape/core/enclave"
)

// hostRole names, in the environment of this test binary, what it does in place of the tests.
const hostRole = "CAPE_TEST_HOST"

// asHost runs one test of this binary in a process of its own, in which it finds its role.
func asHost(t *testing.T, role string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host := exec.Command(program, "-test.run=^"+t.Name()+"$", "-test.v")
	host.Env = append(os.Environ(), hostRole+"="+role)
	return host
}

func TestWorkersDieWithTheEnclavesProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv(hostRole) == "killed" {
		o := folder(t, "hostile")
		o.Scratch = os.Getenv("TMPDIR")
		c := connect(t, start(t, o))
		worker := parentOf(t, processOf(t, c, "child"))
		fmt.Printf("worker %s\n", worker)
		c.request([]byte("forever"))
		select {} // until it is killed
	}
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux")
	}
	interpreter(t)
	host := asHost(t, "killed")
	scratch := t.TempDir()
	host.Env = append(host.Env, "TMPDIR="+scratch)
	output, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	worker := ""
	for lines := bufio.NewScanner(output); worker == "" && lines.Scan(); {
		worker, _ = strings.CutPrefix(lines.Text(), "worker ")
		if strings.Contains(worker, " ") {
			worker = ""
		}
	}
	if err := host.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = host.Wait()
	if worker == "" {
		t.Fatal("the host never had a worker")
	}
	wantDead(t, worker)
	left, err := os.ReadDir(scratch)
	if err != nil || len(left) != 1 {
		t.Fatalf("the host left %v, %v behind", left, err)
	}
	o := folder(t, "echo")
	o.Scratch = scratch
	start(t, o)
	start(t, o) // and does not take the first one's folder for abandoned
	now, err := os.ReadDir(scratch)
	if err != nil || len(now) != 2 || now[0].Name() == left[0].Name() || now[1].Name() == left[0].Name() {
		t.Errorf("the next start leaves %v, %v", now, err)
	}
}

func TestAHostThatIgnoresSIGCHLDHoldsNothingUp(t *testing.T) {
	t.Parallel()
	if os.Getenv(hostRole) == "ignores" {
		signal.Ignore(syscall.SIGCHLD)
		e := start(t, folder(t, "hostile"))
		c := connect(t, e)
		c.wantError("abrupt_exit 3", "the function's process ended")
		c.wantCall("result 1", "\x00")
		c.wantError("kill", "the function's process ended")
		wantPrompt(t, func() { _ = e.Close() })
		return
	}
	interpreter(t)
	if output, err := asHost(t, "ignores").CombinedOutput(); err != nil || !strings.Contains(string(output), "--- PASS") {
		t.Fatalf("%v:\n%s", err, output)
	}
}

func TestAFunctionsChildrenCanBeWaitedForThoughTheHostIgnoresSIGCHLD(t *testing.T) {
	t.Parallel()
	if os.Getenv(hostRole) == "ignores" {
		signal.Ignore(syscall.SIGCHLD)
		c := connect(t, start(t, python(t, `
import os
def cape_handler(data):
    child = os.fork()
    if child == 0:
        os._exit(7)
    return str(os.waitpid(child, 0)[1] >> 8)
`)))
		c.wantCall("", "7")
		return
	}
	interpreter(t)
	if output, err := asHost(t, "ignores").CombinedOutput(); err != nil || !strings.Contains(string(output), "--- PASS") {
		t.Fatalf("%v:\n%s", err, output)
	}
}

func TestAWorkerIsTakenWhenTheDocumentIsSentAndNotBefore(t *testing.T) {
	t.Parallel()
	o := folder(t, "echo")
	o.Scratch = t.TempDir()
	e := start(t, o)
	copies := func() int {
		found, err := filepath.Glob(filepath.Join(o.Scratch, "*", "worker-*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	for range 10 {
		conn, err := dialError(e.Info(), "/v1/run/local/echo", "cape.runtime")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	c := connect(t, e)
	for deadline := time.Now().Add(patience); copies() != 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the one that was started ahead is not replaced before the first request")
		}
	}
	c.wantCall("x", "x")
	if n := copies(); n != 2 {
		t.Fatalf("there are %d workers: one session has a document, and one worker is started ahead", n)
	}
}

// This test is not parallel, so that what it counts is its own.
func TestAnEnclaveThatWasClosedLeavesNothing(t *testing.T) {
	o := folder(t, "hostile")
	o.Scratch = t.TempDir()
	o.TLS = true
	o.Functions = append(o.Functions, enclave.Function{Name: "handler", Handler: func(ctx context.Context, input []byte) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	useOnce := func() {
		e, err := enclave.Start(o)
		if err != nil {
			t.Fatal(err)
		}
		c := connect(t, e)
		c.wantError("abrupt_exit 1", "ended")
		c.wantCall("result 1", "\x00")
		idle, busy, unanswered := connect(t, e), connect(t, e), dial(t, e)
		busy.request([]byte("forever"))
		handler, err := dialError(e.Info(), "/v1/run/local/handler", "cape.runtime")
		if err != nil {
			t.Fatal(err)
		}
		defer handler.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		for _, client := range []*client{c, idle, busy} {
			client.wantGone("closed.lost", "closed.peer")
		}
		for _, client := range []*client{c, idle, busy, unanswered} {
			_ = client.Close()
		}
	}
	useOnce()
	descriptors := countDescriptors()
	for range 3 {
		useOnce()
	}
	wantEmpty(t, o.Scratch)
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		left := goroutinesOfEnclaves()
		if left == "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("goroutines are left:\n%s", left)
		}
	}
	if now := countDescriptors(); now > descriptors {
		t.Errorf("%d descriptors were open, now %d:%s", descriptors, now, openDescriptors())
	}
}

// goroutinesOfEnclaves returns the stacks of goroutines that run code of this package or of the
// HTTP server, other than tests.
func goroutinesOfEnclaves() string {
	buffer := make([]byte, 4<<20)
	var left []string
	for _, stack := range strings.Split(string(buffer[:runtime.Stack(buffer, true)]), "\n\n") {
		if strings.Contains(stack, "testing.tRunner") {
			continue
		}
		if strings.Contains(stack, "core/enclave.") || strings.Contains(stack, "net/http.") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}

func openDescriptors() (listed string) {
	paths, _ := filepath.Glob("/proc/self/fd/*")
	for _, path := range paths {
		target, _ := os.Readlink(path)
		listed += " " + target
	}
	return listed
}

func countDescriptors() int {
	entries, _ := filepath.Glob("/proc/self/fd/*")
	return len(entries)
}
