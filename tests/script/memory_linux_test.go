package script

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDeployingALargeFolderTakesLittleMemory is about the command alone: half of what it sends can be
// compressed to next to nothing, the other half not at all.
func TestDeployingALargeFolderTakesLittleMemory(t *testing.T) {
	t.Parallel()
	const (
		half = 96 << 20 // bytes
		most = 64 << 20 // bytes of memory: a third of the folder
	)
	folder := t.TempDir()
	variables := prepare(t, folder, t.Cleanup)
	random, err := os.Create(filepath.Join(folder, "echo", "random"))
	if err == nil {
		_, err = io.CopyN(random, rand.Reader, half)
	}
	if err = errors.Join(err, random.Close()); err != nil {
		t.Fatal(err)
	}
	zeroes := filepath.Join(folder, "echo", "zeroes")
	if err := os.WriteFile(zeroes, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(zeroes, half); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(absolute(t, "build/cape"), "deploy", "echo", "--url", variables["URL"], "--token", variables["TOKEN"],
		"--attestation-root", "root.pem", "--policy", "enclave.json")
	command.Dir = folder
	var said bytes.Buffer
	command.Stderr = &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	// Not what wait4 tells: that counts the memory of this process, which began the other.
	used, ended := 0, make(chan error, 1)
	go func() { ended <- command.Wait() }()
	for looking := true; looking; {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("%v: %s", err, said.String())
			}
			looking = false
		case <-time.After(5 * time.Millisecond):
			used = max(used, highWater(command.Process.Pid))
		}
	}
	if used == 0 {
		t.Fatal("the memory of the command was never seen")
	}
	t.Logf("%d MiB at most", used>>20)
	if used > most {
		t.Errorf("it used %d bytes of memory to deploy %d", used, 2*half)
	}
}

// highWater is the most memory that a process has had so far, in bytes; 0 where it has gone.
func highWater(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	var kilobytes int
	_, _ = fmt.Sscan(line, &kilobytes)
	return kilobytes << 10
}
