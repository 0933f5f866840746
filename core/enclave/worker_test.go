package enclave_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestHostileFunctionIsAnErrorAndAFreshProcessServesOn(t *testing.T) {
	t.Parallel()
	e := start(t, folder(t, "hostile"))
	cases := map[string]string{
		"abrupt_exit 3":                  "the function's process ended: exit status 3",
		"abrupt_exit 0":                  "the function's process ended: exit status 0",
		"kill":                           "the function's process ended: signal: killed",
		"segfault":                       "the function's process ended: signal: segmentation fault",
		"close 3":                        "the function",
		"close_and_wait 3":               "the function closed descriptor 3",
		"write 00":                       "",             // half a header, then nothing: ends with the session
		"write 676172626167652067617262": "descriptor 3", // "garbage garb"
		"write 00ffffffffffffffff":       "descriptor 3", // an output without end
		"write 000000010000000000":       "descriptor 3", // of a tebibyte
		"write 0100000000ffffffff":       "descriptor 3", // an error's text of 4 GiB
		"fork_and_exit 6":                "the function's process ended: exit status 6",
	}
	for input, text := range cases {
		t.Run(input, func(t *testing.T) {
			t.Parallel()
			c := connect(t, e)
			if text == "" {
				c.request([]byte(input))
				return
			}
			c.wantError(input, text)
			c.wantCall("result 3", "\x00\x00\x00")
		})
	}
}

func TestHostileFunctionKeepsItsProcessWhereItCan(t *testing.T) {
	t.Parallel()
	o := folder(t, "hostile")
	o.MaxInput = 1 << 20
	c := connect(t, start(t, o))
	c.wantError("raise some text", "ValueError: some text")
	c.wantError("exit 2", "SystemExit: 2")
	c.wantError("result 2000000", "the result has 2000000 bytes")
	c.wantCall("fork_and_return", "once")
	c.wantCall("close 0", "ok")
	c.wantCall("close 1", "ok")
	c.wantError("raise into a closed log", "ValueError: into a closed log")
	c.wantCall("close 2", "ok")
	c.wantError("raise into no log", "ValueError: into no log")
}

func TestFloodOfOutputIsBoundedInTheLog(t *testing.T) {
	t.Parallel()
	log, logger := newLog()
	o := folder(t, "hostile")
	o.Log = logger
	c := connect(t, start(t, o))
	c.wantCall("print 20000", "ok")         // 20 MB
	c.wantCall("unbroken_line 20000", "ok") // and as much without a line's end
	log.want(t, "function output left out")
	c.wantCall("print 1", "ok")
	if size := len(log.String()); size > 4<<20 {
		t.Errorf("the log has %d bytes", size)
	}
}

func TestAFunctionEndsWithItsConnectionAndTakesItsChildrenWithIt(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	c := connect(t, start(t, folder(t, "hostile")))
	child := processOf(t, c, "child")
	parent := parentOf(t, child)
	c.request([]byte("forever"))
	_ = c.Close()
	wantDead(t, parent)
	wantDead(t, child)
}

func TestAnEscapedChildEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	c := connect(t, start(t, folder(t, "hostile")))
	child := processOf(t, c, "child escaped")
	_ = c.Close()
	wantDead(t, child)
}

func TestTheCopyIsRemovedWhateverTheFunctionDid(t *testing.T) {
	t.Parallel()
	o := folder(t, "hostile")
	o.Scratch = t.TempDir()
	e := start(t, o)
	connect(t, e).wantCall("lock_away", "ok")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	wantEmpty(t, o.Scratch)
}

// processOf has the hostile function start a process, which it knows by its number in the sandbox,
// and returns the number that it has here.
func processOf(t *testing.T, c *client, input string) string {
	t.Helper()
	seconds, inside, _ := strings.Cut(string(c.call([]byte(input))), " ")
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, path := range lines {
			line, err := os.ReadFile(path)
			if err != nil || !bytes.Contains(line, []byte(seconds)) {
				continue
			}
			status, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "status"))
			for _, line := range strings.Split(string(status), "\n") {
				numbers := strings.Fields(line)
				if len(numbers) > 1 && numbers[0] == "NSpid:" && numbers[len(numbers)-1] == inside {
					return filepath.Base(filepath.Dir(path))
				}
			}
		}
	}
	t.Fatalf("no process has the number %s in a sandbox", inside)
	return ""
}

// parentOf returns the parent of a process, from /proc.
func parentOf(t *testing.T, pid string) string {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.Fields(rest)[1]
}

// wantDead waits until a process has ended; it may still be there as a zombie.
func wantDead(t *testing.T, pid string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Fatalf("process %s is still there", pid)
}

// wantPrompt fails when something takes much longer than it should.
func wantPrompt(t *testing.T, act func()) {
	t.Helper()
	began := time.Now()
	act()
	if took := time.Since(began); took > 20*time.Second {
		t.Fatalf("it took %v", took)
	}
}
