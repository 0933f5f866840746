package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// greedy does what its input says.
const greedy = `
import os, threading, time

def cape_handler(data):
    what = data[:16].decode().strip()
    if what == "exit":
        os._exit(3)
    if what == "memory":
        return len(bytearray(128 << 20))
    if what == "cpu":
        while True:
            pass
    if what == "time":
        time.sleep(60)
    if what == "files":
        with open("large", "wb") as file:
            file.write(bytes(4 << 20))
    if what == "descriptors":
        return [os.open("/dev/null", os.O_RDONLY) for _ in range(64)]
    return len(data)
`

func TestTheLimitsOfAnEnclaveAreThoseOfItsFlags(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "greedy")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "app.py"), []byte(greedy), 0o600); err != nil {
		t.Fatal(err)
	}
	e := start(t, "--max-input", "100KiB", "--memory", "64MiB", "--cpu-time", "200ms", "--call-time", "2s", "--files", "2MiB",
		"--descriptors", "32", "--processes", "64", "--workers", "3", "--idle-timeout", "30s", folder)
	for input, c := range map[string]struct {
		says   string
		status int
	}{
		"exit":                      {"exit status 3; what it printed last is in the enclave's log (function.error)", 1},
		"memory":                    {"MemoryError", 1},
		"cpu":                       {"processor time", 1},
		"time":                      {"2s", 1},
		"files":                     {"OSError", 1},
		"descriptors":               {"Too many open files", 1},
		strings.Repeat("x", 90<<10): {"", 0},
		// There are 64 KiB more, for what an encoding adds.
		strings.Repeat("x", 165<<10): {"takes at most", 1},
	} {
		t.Run(input[:min(len(input), 12)], func(t *testing.T) {
			t.Parallel()
			output, said, status := run(t, input, e.at("run", "local/greedy", "-", "--any-enclave")...)
			if status != c.status || !strings.Contains(said, c.says) || strings.Count(said, "\n") != status {
				t.Errorf("%.50q: %q, %q, exit status %d", input, output, said, status)
			}
		})
	}
}

func TestLimitsThatAreNone(t *testing.T) {
	t.Parallel()
	const size = "give a number of bytes, or one with KiB, MiB or GiB, such as 64MiB"
	for args, says := range map[string]string{
		"--max-input 0":         "--max-input 0: " + size,
		"--max-input 1.5GiB":    "--max-input 1.5GiB: " + size,
		"--memory 64MB":         "--memory 64MB: " + size,
		"--memory 5":            "5 bytes of memory is too little for a function with inputs of up to 64MiB: give 256MiB or more, or take smaller inputs",
		"--memory 255MiB":       "255MiB of memory is too little for a function with inputs of up to 64MiB: give 256MiB or more, or take smaller inputs",
		"--files 9999999999GiB": "--files 9999999999GiB: " + size,
		"--max-input 2GiB":      "the largest input may have 1 byte to 1GiB, not 2GiB",
		"--idle-timeout 5":      "--idle-timeout 5: give a time with its unit, such as 90s or 720h",
		"--idle-timeout -5s":    "--idle-timeout is negative: give a positive value, or leave the flag out",
		"--workers -1":          "--workers is negative: give a positive value, or leave the flag out",
		"--workers 1001":        "0 to 1000 workers can be started ahead, not 1001",
		"--processes many":      "--processes many: give a whole number",
	} {
		output, said, status := run(t, "", append([]string{"enclave", "tests/functions/echo", "--python", "build/venv/bin/python"}, strings.Fields(args)...)...)
		if want := "cape: " + says + "\n"; output != "" || said != want || status != 2 {
			t.Errorf("%s: %q, %q, exit status %d; want %q", args, output, said, status, want)
		}
	}
}
