package cli

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestASignalEndsACommandWithItsStatus sends each while the command waits for somebody who takes
// connections and says nothing.
func TestASignalEndsACommandWithItsStatus(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"run":    {[]string{"run", "f", "x", "--any-enclave", "--token", "t"}, "cancelled"},
		"test":   {[]string{"test", "tests/functions/echo", "x", "--any-enclave", "--token", "t"}, "cancelled"},
		"deploy": {[]string{"deploy", "tests/functions/echo", "--any-enclave", "--token", "t"}, "cancelled"},
		"list":   {[]string{"list", "--token", "t"}, "cancelled"},
		"login":  {[]string{"login"}, "cancelled"},
	} {
		for signal, status := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
			t.Run(name+" "+signal.String(), func(t *testing.T) {
				t.Parallel()
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer listener.Close()
				scheme := map[bool]string{true: "http://", false: "ws://"}[name == "login"]
				command := exec.Command(cape, append(c.args, "--url", scheme+listener.Addr().String())...)
				command.Dir, command.Env = root, []string{"HOME=" + t.TempDir()}
				var output, said bytes.Buffer
				command.Stdout, command.Stderr = &output, &said
				if err := command.Start(); err != nil {
					t.Fatal(err)
				}
				kill := time.AfterFunc(30*time.Second, func() { _ = command.Process.Kill() })
				defer kill.Stop()
				conn, err := listener.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_ = command.Process.Signal(signal)
				_ = command.Wait()
				if got := command.ProcessState.ExitCode(); got != status || output.Len() > 0 ||
					!strings.Contains(said.String(), c.says) || strings.Count(said.String(), "\n") != 1 {
					t.Errorf("exit status %d, %q, %q", got, output.String(), said.String())
				}
			})
		}
	}
}

// TestAReaderThatHasGoneEndsTheCommand is about head and the like: no message, no result of its own.
func TestAReaderThatHasGoneEndsTheCommand(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = reader.Close()
	said, status := runTo(t, writer, "help")
	_ = writer.Close()
	if said != "" || status != -1 { // it was ended by SIGPIPE
		t.Errorf("%q, exit status %d", said, status)
	}
}
