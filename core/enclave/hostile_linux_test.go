package enclave_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/enclave/sandbox"
)

// shutIn returns options that serve the hostile function, in the whole sandbox, with small limits.
func shutIn(t testing.TB) enclave.Options {
	t.Helper()
	o := folder(t, "hostile")
	o.RequireSandbox = true
	o.MaxInput = 1 << 20
	o.Limits = sandbox.Limits{Memory: 256 << 20, CPU: 2 * time.Second, Processes: 32, Descriptors: 64, Files: 64 << 20}
	return o
}

// startShutIn skips the test where the kernel does not grant a whole sandbox.
func startShutIn(t testing.TB, o enclave.Options) *enclave.Enclave {
	t.Helper()
	if o.Scratch == "" {
		o.Scratch = t.TempDir()
	}
	e, err := enclave.Start(o)
	if err != nil && strings.Contains(err.Error(), "as is required") {
		t.Skipf("needs a kernel that grants the whole sandbox: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// reaching is what a hostile function tries to reach, each with the error that it gets.
func reaching() map[string]string {
	tries := map[string]string{
		"connect 192.0.2.1:80":               "PermissionError",
		"listen":                             "PermissionError",
		"resolve example.com":                "error",
		"read /etc/shadow":                   "FileNotFoundError",
		"read /proc/1/environ":               "Error",
		"read /proc/1/maps":                  "Error",
		"read /proc/kcore":                   "FileNotFoundError",
		"read /proc/sys/kernel/core_pattern": "FileNotFoundError",
		"read /sys/kernel/notes":             "FileNotFoundError",
		"read /dev/mem":                      "FileNotFoundError",
		"read /dev/tty":                      "FileNotFoundError",
		"read /dev/fuse":                     "FileNotFoundError",
		"write_file /usr/bin/hostile":        "Error",
		"write_file /hostile":                "PermissionError",
		"write_file /etc/passwd":             "PermissionError",
		"touch /dev/null":                    "Read-only file system", // whose times are the host's
		"touch /dev/zero":                    "Read-only file system",
		"kill_parent":                        "PermissionError",
		"signal_first":                       "PermissionError",
		"kill_all":                           "ProcessLookupError",
		"parent_memory":                      "Error",
		"socket 2 3":                         "PermissionError", // raw
		"socket 16 3":                        "PermissionError", // netlink
		"socket 17 3":                        "PermissionError", // packets
		"socket 38 5":                        "PermissionError", // the kernel's ciphers
		"socket 40 1":                        "PermissionError", // the host of a virtual machine
		"call unshare 0x10000000":            "PermissionError",
		"call unshare 0x40000000":            "PermissionError",
		"call mount 0 0 0 0 0":               "PermissionError",
		"call umount2 0 0":                   "PermissionError",
		"call ptrace 16 1 0 0":               "PermissionError",
		"call setns 0 0":                     "PermissionError",
		"call memfd_create 0 0":              "PermissionError",
		"call shmget 0 1000000 0x3ff":        "PermissionError",
		"call prctl 1 0 0 0 0":               "PermissionError",
		"call chroot 0":                      "PermissionError",
		"call inotify_init1 0":               "PermissionError",
		"call vmsplice 1 0 0 0":              "PermissionError",
		"call prctl 22 2 0 0 0":              "PermissionError",
		"call fcntl 0 0x402 1":               "PermissionError", // what others do in a folder
		"call sethostname 0 0":               "PermissionError",
		"call syscall 9999":                  "Function not implemented",
		"syscall 425 1 0":                    "PermissionError",          // io_uring_setup
		"syscall 435 0 0":                    "Function not implemented", // clone3
		"syscall 444 0 0 1":                  "PermissionError",          // landlock_create_ruleset
		"syscall clone 0x10000011 0 0 0 0":   "PermissionError",          // with a user namespace
		"syscall socketpair 30 1 0 0":        "PermissionError",          // TIPC
	}
	if os.Geteuid() == 0 { // for whoever is not, the function is user 0 of a namespace, which has no other
		tries["call setuid 0"] = "PermissionError"
	}
	for _, name := range []string{
		"ptrace", "keyctl", "add_key", "process_vm_readv", "bpf", "perf_event_open", "userfaultfd", "open_by_handle_at",
		"kexec_load", "init_module", "setns", "swapon", "fanotify_init", "kcmp", "personality", "syslog", "io_setup", "seccomp",
	} {
		tries["syscall "+name+" 0 0 0 0 0"] = "PermissionError"
	}
	return tries
}

func TestAHostileFunctionReachesNothing(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	abstract := fmt.Sprintf("libcape-test-%d", os.Getpid())
	socket, err := net.Listen("unix", "@"+abstract)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "a secret")
	if err := os.Chmod(secret, 0o666); err != nil {
		t.Fatal(err)
	}
	inherited, err := syscall.Open(secret, syscall.O_RDWR, 0) // as a host may have it, without O_CLOEXEC
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(inherited)
	o := shutIn(t)
	o.Scratch = t.TempDir()
	e := startShutIn(t, o)
	other := connect(t, e)
	other.wantCall("write_file marked-by-another", "ok")
	c := connect(t, e)
	tries := reaching()
	for input, text := range map[string]string{
		"connect " + listener.Addr().String():       "PermissionError",
		"abstract " + abstract:                      "Error",
		"read " + secret:                            "FileNotFoundError",
		"write_file " + secret:                      "FileNotFoundError",
		fmt.Sprintf("kill_process %d", os.Getpid()): "Error",
	} {
		tries[input] = text
	}
	for input, text := range tries {
		t.Run(input, func(t *testing.T) {
			c := *c
			c.t = t
			c.wantError(input, text)
		})
	}
	if runtime.GOARCH == "amd64" { // calls of other kinds of programs, which have other numbers
		c.wantError("int80", "signal: bad system call")
		c.wantError("syscall 1073741863", "signal: bad system call")
	}
	c.wantCall("list /proc/self/fd", "0 1 2 3 4") // the last is that of the list itself
	c.wantCall("write_file /dev/null", "ok")
	c.wantCall("limits", fmt.Sprintf("1 %d %d %d 65536 0 0", o.Limits.Descriptors, o.Limits.Processes, o.Limits.Files))
	c.wantCall("identity", "0000000000000000 0000000000000000 1 2")
	for _, name := range []string{"marked-by-another", "secret", "lock", filepath.Base(secret)} {
		if found := string(c.call([]byte("find " + name))); name != "secret" && found != "nowhere" && !strings.Contains(found, "/lib/") {
			t.Errorf("it finds %s", found)
		}
	}
	processes := string(c.call([]byte("list /proc")))
	for _, name := range strings.Fields(processes) {
		if name != "2" && name[0] >= '0' && name[0] <= '9' {
			t.Errorf("it sees the process %s", name)
		}
	}
	if content, err := os.ReadFile(secret); err != nil || string(content) != "a secret" {
		t.Errorf("the secret is %q, %v", content, err)
	}
}

// usingUp is what a hostile function tries to use up, each with the error that it gets. Limits are
// those of shutIn.
var usingUp = map[string]string{
	"fork":                       "BlockingIOError",
	"fork_bomb":                  "processor time",
	"threads":                    "can't start new thread",
	"memory":                     "MemoryError",
	"memory_of_many":             "of memory",
	"memory_in_bursts":           "of memory",
	"hidden_memory":              "of memory",
	"shared_memory":              "memory",
	"sockets":                    "of memory",
	"result 10000000000":         "MemoryError",
	"result 5000000":             "the result has 5000000 bytes",
	"write 00000000025400000000": "descriptor 3", // a reply of 10 GB
	"forever":                    "processor time",
	"disk":                       "OSError",
	"large_file":                 "File too large",
	"many_files":                 "No space left",
	"descriptors":                "Too many open files",
	"locks":                      "of memory",
	"timers":                     "BlockingIOError",
	"close_everything":           "descriptor 3",
	"kill_parent":                "PermissionError",
	"kill":                       "signal: killed",
	"burn 5":                     "processor time",
}

func TestWhatAHostileFunctionUsesUpIsItsOwnCallersErrorAlone(t *testing.T) {
	t.Parallel()
	o := shutIn(t)
	o.Functions = append(o.Functions, folder(t, "echo").Functions...)
	e := startShutIn(t, o)
	for input, text := range usingUp {
		t.Run(input, func(t *testing.T) {
			t.Parallel()
			bystander := connectTo(t, e, 1)
			c := connect(t, e)
			c.request([]byte(input))
			for range 20 {
				bystander.wantCall("undisturbed", "undisturbed")
			}
			c.wantErrorReply(text)
			bystander.wantCall("still", "still")
			_ = c.Close()
			connectTo(t, e, 1).wantCall("also new ones", "also new ones")
		})
	}
}

// The kernel counts timers and signals that wait for the user who started the sandboxes as well.
func TestAFunctionThatTakesAllTimersLeavesThoseOfOthers(t *testing.T) {
	t.Parallel()
	e := startShutIn(t, shutIn(t))
	c := connect(t, e)
	c.wantError("timers", "BlockingIOError")
	connect(t, e).wantCall("timer", "ok")
}

func TestProcessorTimeIsCountedForEachCall(t *testing.T) {
	t.Parallel()
	o := shutIn(t)
	o.Limits.CPU = 1500 * time.Millisecond
	c := connect(t, startShutIn(t, o))
	for range 4 {
		c.wantCall("burn 0.7", "ok")
	}
	c.wantError("burn 20", "processor time")
}

func TestAFunctionThatNeverAnswersEndsByTheClock(t *testing.T) {
	t.Parallel()
	o := shutIn(t)
	o.Limits.Time = 3 * time.Second
	c := connect(t, startShutIn(t, o))
	c.wantError("sleep 1000", "longer than 3s")
	c.wantCall("sleep 0.1", "ok")
	c.wantCall("answer_and_sleep", "a lie")
	c.request(make([]byte, 1<<20)) // which it never reads
	c.wantErrorReply("longer than 3s")
	for range 3 { // each call has its own time
		c.wantCall("sleep 1.2", "ok")
	}
}

func TestAFloodOfOutputIsNobodyElsesTrouble(t *testing.T) {
	t.Parallel()
	log, logger := newLog()
	o := shutIn(t)
	o.Log = logger
	c := connect(t, startShutIn(t, o))
	c.wantCall("print 20000", "ok")
	log.want(t, "function output left out")
	if size := len(log.String()); size > 4<<20 {
		t.Errorf("the log has %d bytes", size)
	}
}

func TestNothingOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	e := startShutIn(t, shutIn(t))
	c := connect(t, e)
	marks := []string{string(c.call([]byte("daemon")))}
	for _, input := range []string{"child", "child escaped"} {
		mark, _, _ := strings.Cut(string(c.call([]byte(input))), " ")
		marks = append(marks, mark)
	}
	for _, mark := range marks {
		wantRunning(t, mark)
	}
	c.wantCall("burn_behind", "ok")
	_ = c.Close()
	for _, mark := range marks {
		for deadline := time.Now().Add(patience); len(running(mark)) > 0; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s is still there", running(mark))
			}
		}
	}
}

// wantRunning waits for a process that was started: its command line is there a moment after it.
func wantRunning(t *testing.T, mark string) {
	t.Helper()
	for deadline := time.Now().Add(patience); len(running(mark)) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is not there", mark)
		}
	}
}

// running returns the processes that have this in their command line.
func running(mark string) []string {
	var found []string
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		if line, err := os.ReadFile(path); err == nil && strings.Contains(string(line), mark) {
			found = append(found, filepath.Dir(path))
		}
	}
	return found
}

// connectTo is connect for another than the first function.
func connectTo(t *testing.T, e *enclave.Enclave, index int) *client {
	t.Helper()
	info := e.Info()
	info.Functions[0] = info.Functions[index]
	return connectAs(t, info)
}
