package suite

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/libcape/libcape/tests/abi/built"
)

// service starts 'cape enclave' with a data folder, and gives its address, a token of the user
// ada, and its attestation root in PEM.
func service(t *testing.T) (url, token, root string) {
	t.Helper()
	process := exec.Command(built.Path("build", "cape"), "enclave", "--data", t.TempDir(), "--auth", "--user", "ada", "--python", built.Python(t))
	output, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatalf("%v: run make build", err)
	}
	guard := time.AfterFunc(time.Minute, func() { _ = process.Process.Kill() })
	t.Cleanup(func() {
		guard.Stop()
		_ = process.Process.Signal(syscall.SIGTERM)
		_ = process.Wait()
	})
	var ready struct {
		URL   string `json:"url"`
		Token string `json:"token"`
		Root  string `json:"attestation_root"`
	}
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil {
		t.Fatalf("the enclave says %q: %v", line, err)
	}
	for path, into := range map[string]*string{ready.Token: &token, ready.Root: &root} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		*into = string(content)
	}
	return ready.URL, token, root
}

func TestRequestsToAService(t *testing.T) {
	t.Parallel()
	if output := linked(t, nil, "tests/c/requests.c").run(t, argumentsOf(t, "tests/c/requests.c")...); output != "" {
		t.Errorf("standard output is not the library's to write to: %s", output)
	}
}
