package enclave_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/libcape/libcape/core/enclave"
)

var layers = []string{
	"namespaces", "private root", "private /proc", "limits", "no_new_privs", "another user", "no capabilities",
	"limit of processes", "landlock", "seccomp",
}

// inOwnMounts has a test run in a process with mounts of its own, so that a mistake of what it
// tries does not take the machine's root away. It reports whether this is that process.
func inOwnMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(hostRole) == "own mounts" {
		return true
	}
	interpreter(t)
	host := asHost(t, "own mounts")
	host.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		host.SysProcAttr = nil // and cannot do such damage
	}
	output, err := host.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		host = asHost(t, "own mounts") // of a root who may not mount
		output, err = host.CombinedOutput()
	}
	if err == nil && strings.Contains(string(output), "--- SKIP: "+t.Name()+" (") {
		t.Skipf("%s", output)
	}
	if err != nil || !strings.Contains(string(output), "--- PASS: "+t.Name()+" (") {
		t.Fatalf("%v:\n%s", err, output)
	}
	return false
}

func TestEachLayerOfTheSandboxIsIndependent(t *testing.T) {
	t.Parallel()
	if !inOwnMounts(t) {
		return
	}
	for _, layer := range append([]string{strings.Join(layers, ",")}, layers...) {
		t.Run(layer, func(t *testing.T) {
			t.Parallel()
			log, logger := newLog()
			o := shutIn(t)
			o.RequireSandbox = false
			o.Log = logger
			o.Withhold(strings.Split(layer, ",")...)
			c := connect(t, start(t, o))
			c.wantCall("sleep 0", "ok") // the log has all that is missing by then
			if layer == "private /proc" && strings.Contains(log.String(), "namespaces (") {
				t.Skip("needs a kernel that grants namespaces: without them there is no private /proc that could be left out")
			}
			for _, name := range strings.Split(layer, ",") {
				if name == "another user" && os.Geteuid() != 0 || name == "private /proc" && name != layer {
					continue // there is none to leave out
				}
				log.want(t, name+" (")
			}
			c.wantError("raise as ever", "ValueError: as ever")
			c.wantCall("result 3", "\x00\x00\x00")
			c.wantCall("write_file here", "ok")
			c.wantCall("read here", "hostile")
			if layer == "another user" && os.Geteuid() == 0 {
				log.want(t, "limit of processes (")
				c.wantError("fork", "more than ")
			}
			if layer == "namespaces" || layer == "private /proc" { // among the host's processes its own are found
				c.wantError("memory_of_many", "of memory")
			}
			c.wantError("kill", "signal: killed")
			c.wantCall("result 1", "\x00")
			child := string(c.call([]byte("child escaped")))
			mark, _, _ := strings.Cut(child, " ")
			wantRunning(t, mark)
			_ = c.Close()
			for deadline := time.Now().Add(patience); len(running(mark)) > 0; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%s outlives its connection", running(mark))
				}
			}
		})
	}
}

func TestARequiredSandboxIsAnErrorWhereItIsNotWhole(t *testing.T) {
	t.Parallel()
	if !inOwnMounts(t) {
		return
	}
	startShutIn(t, shutIn(t))
	for _, layer := range layers {
		if layer == "another user" && os.Geteuid() != 0 {
			continue
		}
		o := shutIn(t)
		o.Scratch = t.TempDir()
		o.Withhold(layer)
		e, err := enclave.Start(o)
		if err == nil {
			_ = e.Close()
		}
		wantReason(t, err, "argument.sandbox")
		if !strings.Contains(err.Error(), layer) {
			t.Errorf("the error is %q, want one that names %q", err, layer)
		}
		wantEmpty(t, o.Scratch)
	}
}

func TestFilesAndNetworkAreShutOutTwice(t *testing.T) {
	t.Parallel()
	if !inOwnMounts(t) {
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	startShutIn(t, shutIn(t))
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "a secret")
	if err := os.Chmod(secret, 0o666); err != nil {
		t.Fatal(err)
	}
	for layer, cases := range map[string]map[string]string{
		"landlock":     {"read " + secret: "FileNotFoundError", "write_file /hostile": "Error"},
		"private root": {"read " + secret: "PermissionError", "write_file " + secret: "PermissionError", "write_file /hostile": "PermissionError"},
		"namespaces":   {"read " + secret: "PermissionError", "connect " + listener.Addr().String(): "PermissionError", fmt.Sprintf("kill_process %d", os.Getpid()): "PermissionError"},
		"seccomp":      {"connect " + listener.Addr().String(): "Error", "call mount 0 0 0 0 0": "Error", fmt.Sprintf("kill_process %d", os.Getpid()): "Error"},
	} {
		o := shutIn(t)
		o.RequireSandbox = false
		o.Withhold(layer)
		c := connect(t, start(t, o))
		for input, text := range cases {
			if layer == "landlock" && input == "write_file /hostile" && os.Geteuid() != 0 {
				continue // the private root is its own user's, and gone with it
			}
			c.wantError(input, text)
		}
	}
}

// unprivileged is a user that nobody is.
const unprivileged = 1878999999

func TestAUserWhoIsNotRootGetsASandboxToo(t *testing.T) {
	t.Parallel()
	if os.Getenv(hostRole) == "unprivileged" {
		log, logger := newLog()
		o := shutIn(t)
		o.RequireSandbox = false
		o.Log = logger
		o.Functions[0].Folder = os.Getenv("HOSTILE")
		e := start(t, o)
		c := connect(t, e)
		c.wantCall("result 1", "\x00")
		if strings.Contains(log.String(), "missing") {
			t.Log("granted is less than all: " + log.String())
		} else {
			c.wantError("fork", "BlockingIOError")
			c.wantError("read "+os.Getenv("SECRET"), "FileNotFoundError")
		}
		c.wantError("read "+os.Getenv("SECRET"), "Error")
		c.wantError("connect 127.0.0.1:1", "PermissionError")
		c.wantError("write_file /tmp/../hostile", "Error")
		c.wantError("memory", "MemoryError")
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("needs to be root, who can be another user: without it every test is this one")
	}
	python := "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		t.Skip("needs /usr/bin/python3, which any user can run")
	}
	place, err := os.MkdirTemp("", "libcape-unprivileged-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(place) })
	secret := filepath.Join(place, "secret")
	write(t, secret, "a secret")
	program, app := filepath.Join(place, "test"), filepath.Join(place, "hostile", "app.py")
	host := asHost(t, "unprivileged")
	copyFile(t, host.Path, program)
	write(t, app, "")
	copyFile(t, filepath.Join("..", "..", "tests", "functions", "hostile", "app.py"), app)
	for _, path := range []string{place, secret, filepath.Dir(app), app, program} {
		err := os.Chown(path, unprivileged, unprivileged)
		if errors.Is(err, syscall.EINVAL) {
			t.Skipf("needs the user %d, whom this container does not have", unprivileged)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	host.Path, host.Dir = program, place
	host.Env = append(host.Env, "CAPE_PYTHON="+python, "TMPDIR="+place, "HOSTILE="+filepath.Dir(app), "SECRET="+secret)
	host.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: unprivileged, Gid: unprivileged}}
	output, err := host.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "--- PASS") {
		t.Fatalf("%v:\n%s", err, output)
	}
	if strings.Contains(string(output), "granted is less") {
		t.Logf("%s", output)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	source, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if _, err := io.Copy(target, source); err != nil {
		t.Fatal(err)
	}
}
