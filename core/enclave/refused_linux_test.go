package enclave_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/libcape/libcape/core/enclave"
)

const dropFromBounds = 24 // PR_CAPBSET_DROP

// withoutNamespaces has a test run in a process that the kernel grants no namespaces: in a user
// namespace in which there may be no more of them, and without capabilities there. It reports
// whether this is that process.
func withoutNamespaces(t *testing.T) bool {
	t.Helper()
	const prepare, prepared = "prepare", "prepared"
	switch os.Getenv(hostRole) {
	case prepared:
		return true
	case prepare:
		runtime.LockOSThread()
		if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
			t.Skipf("needs to forbid user namespaces: %v", err)
		}
		for capability := range uintptr(64) {
			_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, dropFromBounds, capability, 0)
		}
		if err := os.Setenv(hostRole, prepared); err != nil {
			t.Fatal(err)
		}
		t.Fatal(syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
	}
	interpreter(t)
	host := asHost(t, prepare)
	host.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	output, err := host.CombinedOutput()
	var ended *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &ended):
		t.Skipf("needs a user namespace, to forbid further ones in it: %v", err)
	case err == nil && strings.Contains(string(output), "--- SKIP: "+t.Name()+" ("):
		t.Skipf("%s", output)
	case err != nil || !strings.Contains(string(output), "--- PASS: "+t.Name()+" ("):
		t.Fatalf("%v:\n%s", err, output)
	}
	return false
}

func TestWhereTheKernelGrantsNoNamespacesTheRestOfTheSandboxStands(t *testing.T) {
	t.Parallel()
	if !withoutNamespaces(t) {
		return
	}
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "a secret")
	o := shutIn(t)
	o.Scratch = t.TempDir()
	o.Limits.CPU = time.Second
	_, err := enclave.Start(o)
	wantReason(t, err, "argument.sandbox")
	const remedy = ": have the host grant them, or do not require a sandbox"
	for _, layer := range []string{"namespaces (the kernel does not grant", "private root (", "limit of processes (", remedy} {
		if !strings.Contains(err.Error(), layer) {
			t.Errorf("the error is %q, want one with %q", err, layer)
		}
	}
	wantEmpty(t, o.Scratch)

	use := func(inputs map[string]string) {
		log, logger := newLog()
		o := o
		o.RequireSandbox, o.Log = false, logger
		e, err := enclave.Start(o)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		c := connect(t, e)
		log.want(t, "namespaces (the kernel does not grant")
		for input, text := range inputs {
			c.wantError(input, text)
		}
		mark, _, _ := strings.Cut(string(c.call([]byte("child escaped"))), " ")
		wantRunning(t, mark)
		_ = c.Close()
		for deadline := time.Now().Add(patience); len(running(mark)) > 0; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s outlives its connection", running(mark))
			}
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		wantEmpty(t, o.Scratch)
	}
	use(map[string]string{
		"read " + secret: "PermissionError", "connect 192.0.2.1:80": "PermissionError", "call mount 0 0 0 0 0": "PermissionError",
		"memory": "MemoryError", "memory_of_many": "of memory", "fork": "more than 32 processes", "forever": "processor time",
	})
	descriptors := countDescriptors()
	use(nil)
	if now := countDescriptors(); now > descriptors {
		t.Errorf("%d descriptors were open, now %d:%s", descriptors, now, openDescriptors())
	}
}
