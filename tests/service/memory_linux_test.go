package service

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestALargeFunctionIsInTheEnclavesMemoryOnce counts what the protocol forces on the enclave: a
// function is one ciphertext with one tag at its end, of which nothing may be used before that
// holds.
func TestALargeFunctionIsInTheEnclavesMemoryOnce(t *testing.T) {
	t.Parallel()
	const size = 48 << 20 // bytes of a function that cannot be compressed
	folder := filepath.Join(t.TempDir(), "large")
	app := "def cape_handler(data):\n    return data\n"
	err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, "app.py"), []byte(app), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	random, err := os.Create(filepath.Join(folder, "random"))
	if err == nil {
		_, err = io.CopyN(random, rand.Reader, size)
	}
	if err = errors.Join(err, random.Close()); err != nil {
		t.Fatal(err)
	}
	s := serve(t, filepath.Join(t.TempDir(), "data"))
	policy := s.any()
	start := s.memory("VmRSS")
	for _, c := range []struct {
		most int // bytes at any moment
		args []string
	}{
		{size * 5 / 4, []string{"deploy", folder}},
		{size * 5 / 4, []string{"run", "local/large", "hello"}},
		{size * 9 / 4, []string{"test", folder, "hello"}}, // sealed and open: HPKE does not open in place
	} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.pid), []byte("5"), 0o200); err != nil {
			t.Skipf("the peak of a process's memory cannot be set back: %v", err)
		}
		s.want("any", append(c.args, "--policy", policy)...)
		peak := s.memory("VmHWM") - start
		t.Logf("cape %s: %d MiB at most", c.args[0], peak>>20)
		if peak < size/2 || peak > c.most {
			t.Errorf("cape %s of %d bytes takes %d bytes of the enclave's memory", c.args[0], size, peak)
		}
		for deadline := time.Now().Add(patience); s.memory("VmRSS") > start+size/4; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("after cape %s, %d bytes stay resident; %d were before", c.args[0], s.memory("VmRSS"), start)
			}
		}
	}
}

// memory is a line of the enclave's /proc/PID/status, in bytes.
func (s *served) memory(name string) int {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), name+":")
	var kilobytes int
	if _, err := fmt.Sscan(line, &kilobytes); err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
	return kilobytes << 10
}
