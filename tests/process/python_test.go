// Package process runs Python programs that do to their process what a library must live with:
// signal handlers, faults and interrupts, beside pycape.
package process

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/libcape/libcape/tests/abi/built"
)

// outcome is how a program ended.
type outcome struct {
	signal syscall.Signal // 0: none
	status int
	output string
	errors string
}

// python runs a program that finds the folder of the test functions in sys.argv[1].
func python(t *testing.T, lines ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, built.Python(t), "-c", strings.Join(lines, "\n"), built.Path("tests", "functions"))
	command.Env = append(command.Environ(), "CAPE_LIBRARY="+built.Library(t))
	var output, complaints bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaints
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("%v\n%s%s", err, output.Bytes(), complaints.Bytes())
	}
	status := command.ProcessState.Sys().(syscall.WaitStatus)
	o := outcome{status: command.ProcessState.ExitCode(), output: output.String(), errors: complaints.String()}
	if status.Signaled() {
		o.signal = status.Signal()
	}
	return o
}

const (
	noCore  = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))"
	enable  = "import faulthandler; faulthandler.enable()"
	connect = `
import sys, pycape
enclave = pycape.LocalEnclave(sys.argv[1] + "/echo")
cape = pycape.Cape(enclave=enclave, timeout=40)
cape.connect("local/echo")
assert cape.invoke(b"x") == b"x"
`
	crash = `
import ctypes
def where_it_happens():
    ctypes.string_at(0)
`
)

func TestFaulthandlerShowsWhereThePythonProgramFailed(t *testing.T) {
	t.Parallel()
	for name, program := range map[string][]string{
		"enabled before the library is loaded":            {noCore, enable, connect, crash, "where_it_happens()"},
		"enabled after the library is loaded":             {noCore, connect, enable, crash, "where_it_happens()"},
		"enabled before, on a thread that has not called": {noCore, enable, connect, crash, "import threading; t = threading.Thread(target=where_it_happens); t.start(); t.join()"},
		"enabled after, on a thread that has not called":  {noCore, connect, enable, crash, "import threading; t = threading.Thread(target=where_it_happens); t.start(); t.join()"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := python(t, program...)
			if o.signal != syscall.SIGSEGV {
				t.Errorf("signal %d, status %d; want SIGSEGV", o.signal, o.status)
			}
			for _, want := range []string{"Fatal Python error: Segmentation fault", "in where_it_happens"} {
				if !strings.Contains(o.errors, want) {
					t.Errorf("standard error lacks %q:\n%s", want, o.errors)
				}
			}
			if strings.Contains(o.errors, "goroutine") {
				t.Errorf("the Go runtime took the fault for its own:\n%s", o.errors)
			}
		})
	}
}

func TestAFaultWithoutFaulthandlerEndsTheProgramQuietly(t *testing.T) {
	t.Parallel()
	if o := python(t, noCore, connect, crash, "where_it_happens()"); o.signal != syscall.SIGSEGV || o.errors != "" {
		t.Errorf("signal %d, status %d: %s", o.signal, o.status, o.errors)
	}
}

func TestControlCReachesHandlersOfPython(t *testing.T) {
	t.Parallel()
	own := `
import os, signal, time
calls, ticks = [], []
signal.signal(signal.SIGINT, lambda *_: calls.append(1))
signal.signal(signal.SIGALRM, lambda *_: ticks.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
`
	use := `
for size in range(0, 200000, 1000):
    os.kill(os.getpid(), signal.SIGINT)
    assert cape.invoke(b"x" * size) == b"x" * size
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(calls), len(ticks) > 20)
`
	for name, program := range map[string][]string{
		"set before the library is loaded": {own, connect, use},
		"set after the library is loaded":  {connect, own, use},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if o := python(t, program...); o.status != 0 || o.output != "200 True\n" {
				t.Errorf("signal %d, status %d: %s%s", o.signal, o.status, o.output, o.errors)
			}
		})
	}
}
