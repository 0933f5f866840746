package enclave

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// hostMountsOf is what a process finds mounted, and its root.
func hostMountsOf(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(mounts)
}

// A worker that was refused namespaces shares the mounts of the enclave's process, and where that
// is root's it could change them. The test runs in a namespace of its own: whatever happens there,
// the machine keeps its root.
func TestAWorkerWithoutNamespacesLeavesTheHostsMountsAlone(t *testing.T) {
	const inside = "CAPE_TEST_INSIDE"
	if os.Getenv(inside) == "" {
		if os.Geteuid() != 0 {
			t.Skip("needs root, who alone could change the mounts of the host")
		}
		if _, err := exec.LookPath("python3"); err != nil {
			t.Skip("needs a python3 in PATH")
		}
		command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		command.Env = append(os.Environ(), inside+"=1")
		command.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		output, err := command.CombinedOutput()
		if err != nil && strings.Contains(err.Error(), "operation not permitted") {
			t.Skip("needs a mount namespace, which is not granted here")
		}
		if err != nil || !strings.Contains(string(output), "--- PASS: "+t.Name()) {
			t.Fatalf("%v\n%s", err, output)
		}
		return
	}
	folder := t.TempDir()
	source := "def cape_handler(data):\n    return data\n"
	if err := os.WriteFile(folder+"/app.py", []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	before := hostMountsOf(t)
	e, err := Start(Options{Functions: []Function{{Folder: folder}}, Python: python, withheld: []string{"namespaces"}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	runner := e.newRunner(context.Background(), e.functions[0], e.options.Log)
	output, err := runner.invoke(context.Background(), []byte("hello"))
	runner.close()
	if err != nil || string(output) != "hello" {
		t.Errorf("%q, %v", output, err)
	}
	if after := hostMountsOf(t); after != before {
		t.Errorf("the mounts were\n%s\nand are\n%s", before, after)
	}
}
