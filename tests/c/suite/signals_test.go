package suite

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/libcape/libcape/tests/abi/built"
)

// ends runs a program that may end by a signal, which it gives (0: none), with what it prints.
func (p program) ends(t *testing.T, arguments ...string) (syscall.Signal, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, string(p), arguments...)
	var output, complaints bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaints
	err := command.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled():
		if complaints.Len() > 0 {
			t.Errorf("%s wrote to standard error: %s", command, complaints.Bytes())
		}
		return exit.Sys().(syscall.WaitStatus).Signal(), output.String()
	case err != nil:
		t.Fatalf("%s: %v\n%s", command, err, complaints.Bytes())
	}
	return 0, output.String()
}

func TestSignalHandlersOfTheHostGoOnWorking(t *testing.T) {
	t.Parallel()
	const none = syscall.Signal(0)
	signals := compile(t, []string{"-pthread"}, "tests/c/signals.c")
	for name, want := range map[string]syscall.Signal{
		"fault, handler before load":                     none,
		"fault, handler after load":                      none,
		"fault, no handler":                              syscall.SIGSEGV,
		"interrupt, handler before load":                 none,
		"interrupt, handler after load":                  none,
		"interrupt, handler without a stack before load": none,
		"interrupt, handler without a stack after load":  none,
		"timer, handler without a stack after load":      none,
		"interrupt, no handler":                          syscall.SIGINT,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _ := signals.ends(t, built.Python(t), ownFunctions(t), built.Library(t), name)
			if got != want {
				t.Errorf("the process ended by signal %d, want %d", got, want)
			}
		})
	}
}

func TestADeadPeerDoesNotEndTheHost(t *testing.T) {
	t.Parallel()
	sigpipe := compile(t, []string{"-pthread"}, "tests/c/sigpipe.c")
	for disposition, want := range map[string]syscall.Signal{"default": syscall.SIGPIPE, "ignored": 0} {
		for _, when := range []string{"before", "after"} {
			t.Run(disposition+" "+when, func(t *testing.T) {
				t.Parallel()
				got, output := sigpipe.ends(t, built.Python(t), ownFunctions(t), built.Library(t), disposition, when)
				if output != "done\n" {
					t.Errorf("ended by signal %d before it was done", got)
				}
				if got != want {
					t.Errorf("the host's own write ended in signal %d, want %d", got, want)
				}
			})
		}
	}
}
