package enclave_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libcape/libcape/core/transport"
)

// holding is what this process has, by what it is called.
type holding map[string]int

// holdings counts what an enclave whose scratch folder is in a folder has of this process.
func holdings(t *testing.T, scratch string) holding {
	t.Helper()
	workers, _ := filepath.Glob(filepath.Join(scratch, "*", "*"))
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return holding{
		"descriptors":        countDescriptors(),
		"goroutines":         strings.Count(goroutinesOfEnclaves(), "goroutine "),
		"processes":          countDescendants(t),
		"mounts":             strings.Count(string(mounts), "\n"),
		"folders of workers": len(workers),
	}
}

// countDescendants returns how many processes there are below this one.
func countDescendants(t *testing.T) int {
	t.Helper()
	parents := map[string]string{}
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		if stat, err := os.ReadFile(path); err == nil {
			rest := string(stat[strings.LastIndexByte(string(stat), ')')+1:])
			parents[filepath.Base(filepath.Dir(path))] = strings.Fields(rest)[1]
		}
	}
	below, self := 0, fmt.Sprint(os.Getpid())
	for process := range parents {
		for at := parents[process]; at != ""; at = parents[at] {
			if at == self {
				below++
				break
			}
		}
	}
	return below
}

// more reports what there is more of than there was.
func (h holding) more(than holding) string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if h[name] > than[name] {
			found = append(found, fmt.Sprintf("%s: %d, were %d", name, h[name], than[name]))
		}
	}
	return strings.Join(found, "; ")
}

// residentBytes returns what this process has in memory when it has given back what it can.
func residentBytes(t *testing.T) int64 {
	t.Helper()
	debug.FreeOSMemory()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(statm), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}

// leaving is what a hostile function leaves behind or writes without an error.
var leaving = []string{
	"print 3000", "unbroken_line 3000", "daemon", "child", "child escaped", "burn_behind", "fork_and_return", "lock_away", "write_file here",
}

// This test is not parallel, so that what it counts is its own.
func TestHostileFunctionsLeaveTheEnclaveAsItWas(t *testing.T) {
	const atOnce, margin = 6, 8 << 20
	o := shutIn(t)
	o.Scratch = t.TempDir()
	o.Limits.CPU = time.Second
	o.Functions = append(o.Functions, folder(t, "echo").Functions...)
	e := startShutIn(t, o)
	bystander := connectTo(t, e, 1)
	first := connect(t, e) // which has all started that starts when it is first needed
	first.wantError("raise it", "ValueError")
	_ = first.Close()

	// settled waits until there is no more than there was; of what a connection used, some goes a
	// moment after its end. Without a before, until all is ready.
	settled := func(before holding) holding {
		for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			now := holdings(t, o.Scratch)
			if before == nil && now["folders of workers"] == 5 && now["processes"] == 4 {
				return now // two workers of two processes, the zips of two functions, the lock
			}
			if before != nil && now.more(before) == "" {
				return now
			}
			if time.Now().After(deadline) {
				t.Fatalf("left are: %s; goroutines:\n%s", now.more(before), goroutinesOfEnclaves())
			}
		}
	}
	before := settled(nil)
	memory := residentBytes(t)

	hostile := reaching()
	maps.Copy(hostile, usingUp)
	for _, input := range leaving {
		hostile[input] = ""
	}
	room := make(chan struct{}, atOnce)
	var group sync.WaitGroup
	for input, text := range hostile {
		room <- struct{}{}
		group.Add(1)
		transport.Spawn(func() {
			defer func() { <-room; group.Done() }()
			t.Run(input, func(t *testing.T) { // which keeps the client's end no longer than this
				c := connect(t, e)
				if text == "" {
					c.call([]byte(input))
				} else {
					c.wantError(input, text)
				}
			})
		}, func(value any) { t.Error(input, value) })
		bystander.wantCall("undisturbed", "undisturbed")
	}
	done := make(chan struct{})
	transport.Spawn(func() { group.Wait(); close(done) }, nil)
	var slowest time.Duration
	for echoes := 0; ; echoes++ {
		select {
		case <-done:
			t.Logf("%d hostile calls; the slowest of the last %d echoes beside them took %v", len(hostile), echoes, slowest)
		default:
			began := time.Now()
			bystander.wantCall("undisturbed", "undisturbed")
			slowest = max(slowest, time.Since(began))
			continue
		}
		break
	}
	settled(before)
	if grown := residentBytes(t) - memory; grown > margin {
		t.Errorf("the enclave takes %d bytes more", grown)
	} else {
		t.Logf("the enclave takes %d bytes more", grown)
	}
	bystander.wantCall("still", "still")
}
