// Package sandbox shuts in a process that runs somebody else's code. The process is an
// interpreter that is started in namespaces of its own ([Attributes]) with the program [Source],
// which puts itself into the sandbox with what else the kernel grants, layer by layer, and only
// then becomes the worker:
//
//   - a private root in memory, of limited size, with the interpreter and its packages read-only;
//   - process, network, mount, IPC and host name namespaces, in a user namespace;
//   - another user, where the host is root, and no capabilities;
//   - limits of memory, processes, descriptors, file size, and processor time for each call;
//   - no_new_privs, landlock and a seccomp filter, see [Filter].
//
// The host process itself is never shut in, as it may be somebody's own program.
package sandbox

import (
	"embed"
	"encoding/hex"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// The program is in several files, which are one module.
//
//go:embed *.py
var sources embed.FS

var parts = [...]string{"kernel.py", "root.py", "surrender.py", "watch.py"}

// Source is the program, for an interpreter's -c. Its first argument is the source of the worker,
// then come those of [Settings.Arguments].
func Source() string {
	var program strings.Builder
	for _, part := range parts {
		text, err := sources.ReadFile(part)
		if err != nil {
			panic(err) // a part that is not embedded: a defect that every start meets
		}
		program.Write(text)
		program.WriteByte('\n')
	}
	return program.String()
}

// Limits are what one function of one connection may use. Where it is zero, a default stands.
type Limits struct {
	// Memory is bytes, of all its processes; 0: 1 GiB.
	Memory int64
	// CPU is processor time of all its processes for one call; 0: two minutes.
	CPU time.Duration
	// Time is how long one call may take by the clock; 0: half an hour, or twice CPU where that is
	// longer. A function reaches nothing that could let it wait, so that one which neither computes
	// nor answers never will; it would hold its processes and memory for as long as its caller is
	// patient. It is generous, since many functions may share few processors.
	Time time.Duration
	// Processes counts threads as well; 0: 256.
	Processes int
	// Descriptors is how many files each process may have open; 0: 1024.
	Descriptors int
	// Files is bytes of all it writes, its own folder included; 0: 1 GiB. They are in memory
	// where there is a private root.
	Files int64
}

// Settle returns the limits with the defaults filled in.
func (l Limits) Settle() Limits {
	if l.Memory == 0 {
		l.Memory = 1 << 30
	}
	if l.CPU == 0 {
		l.CPU = 2 * time.Minute
	}
	if l.Time == 0 {
		l.Time = max(30*time.Minute, 2*l.CPU)
	}
	if l.Processes == 0 {
		l.Processes = 256
	}
	if l.Descriptors == 0 {
		l.Descriptors = 1024
	}
	if l.Files == 0 {
		l.Files = 1 << 30
	}
	return l
}

// Valid reports whether no limit is negative.
func (l Limits) Valid() bool {
	return l.Memory >= 0 && l.CPU >= 0 && l.Time >= 0 && l.Processes >= 0 && l.Descriptors >= 0 && l.Files >= 0
}

const filesEach = 8 << 10 // bytes for each file there may be, at the largest size

// Settings are what one process is told.
type Settings struct {
	Folder   string // of this process alone
	Output   int64  // bytes of a result
	Limits   Limits // settled
	Grant    Grant
	User     int      // of the function, inside; 0: there is none but the host's
	Withheld []string // layers that are not to be applied, for tests
}

// Arguments returns the settings for the program.
func (s Settings) Arguments() []string {
	seconds := strconv.FormatFloat(s.Limits.CPU.Seconds(), 'f', 3, 64)
	number := func(value int64) string { return strconv.FormatInt(value, 10) }
	return []string{
		"folder=" + s.Folder,
		"output=" + number(s.Output),
		"memory=" + number(s.Limits.Memory),
		"cpu=" + seconds,
		"processes=" + number(int64(s.Limits.Processes)),
		"descriptors=" + number(int64(s.Limits.Descriptors)),
		"files=" + number(s.Limits.Files),
		"inodes=" + number(max(s.Limits.Files/filesEach, 1<<10)),
		"namespaces=" + s.Grant.String(),
		"mounts=" + hostMounts(),
		"refused=" + s.Grant.refused(),
		"root=" + map[bool]string{true: "1"}[os.Geteuid() == 0],
		"uid=" + strconv.Itoa(s.User),
		"withheld=" + strings.Join(s.Withheld, ","),
		"filter=" + hex.EncodeToString(Filter(runtime.GOARCH)),
	}
}

// hostMounts names the mount namespace of this process, which the program must not change. It is
// empty where that cannot be told, and then the program changes no mounts at all.
func hostMounts() string {
	name, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return ""
	}
	return name
}

// Grant is which namespaces the kernel grants.
type Grant int

const (
	// User is all of them, in a user namespace.
	User Grant = iota
	// Alone is all of them, but for functions there is no other user than the host's own: what a
	// host who is root only in a container gets.
	Alone
	// Root is all but a user namespace: what a host who is root gets where user namespaces are forbidden.
	Root
	// None is none.
	None
)

// String returns the word that the program knows.
func (g Grant) String() string {
	return [...]string{User: "user", Alone: "user", Root: "root", None: ""}[g]
}

func (g Grant) refused() string {
	if g != None {
		return ""
	}
	return "the kernel does not grant new ones"
}
