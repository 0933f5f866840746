package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// started is what startEnclave gave.
type started struct {
	enclave *loggedEnclave
	err     error
}

// startSoon starts an enclave with a log, and fails the test when that takes long.
func startSoon(t *testing.T, log string) started {
	t.Helper()
	done := make(chan started, 1)
	go func() {
		enclave, err := startEnclave(fmt.Appendf(nil, `{"log": %q}`, log))
		done <- started{enclave, err}
	}()
	select {
	case s := <-done:
		if s.err == nil {
			t.Cleanup(func() { _ = s.enclave.Close() })
		}
		return s
	case <-time.After(10 * time.Second):
		t.Fatalf("the log %s holds the start up", log)
		return started{}
	}
}

func TestALogThatIsNoRegularFileIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	unread, read := filepath.Join(folder, "unread"), filepath.Join(folder, "read")
	for _, fifo := range []string{unread, read} {
		if err := syscall.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reader, err := os.OpenFile(read, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for name, log := range map[string]string{
		"a FIFO that nobody reads": unread, "a FIFO with a reader": read, "a device": os.DevNull, "a folder": folder,
	} {
		t.Run(name, func(t *testing.T) {
			wantReason(t, startSoon(t, log).err, "argument.options")
		})
	}
}

func TestALogIsAppendedTo(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	for range 2 {
		file, logger, err := openLog(log)
		if err != nil {
			t.Fatal(err)
		}
		logger.Info("a line")
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(log)
	if err != nil || strings.Count(string(content), "a line") != 2 {
		t.Errorf("%v, %q", err, content)
	}
	if s := startSoon(t, log); s.err != nil {
		t.Error(s.err)
	}
}
