package script

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// onTerminal runs the words after it with standard error on a terminal, or with standard output if
// these words begin with it, and writes what came there.
const onTerminal = `
import os, subprocess, sys
ours, theirs = os.openpty()
words, streams = sys.argv[1:], {"stdout": subprocess.DEVNULL, "stderr": theirs}
if words[0] == "stdout":
    words, streams = words[1:], {"stdout": theirs}
child = subprocess.Popen(words, stdin=subprocess.DEVNULL, **streams)
os.close(theirs)
while True:
    try:
        shown = os.read(ours, 65536)
    except OSError:  # nobody has the terminal open any more
        break
    sys.stdout.buffer.write(shown)
sys.exit(child.wait())
`

func TestWhatATerminalShows(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	variables := prepare(t, folder, t.Cleanup)
	on := func(words ...string) (string, error) {
		args := append([]string{"-c", onTerminal}, words...)
		command := exec.Command(absolute(t, "build/venv/bin/python"), append(args, "--policy", "enclave.json")...)
		command.Dir = folder
		command.Env = []string{"CAPE_ENCLAVE_HOST=" + variables["URL"], "CAPE_ATTESTATION_ROOT=" + filepath.Join(folder, "root.pem"), "CAPE_TOKEN=" + variables["TOKEN"]}
		output, err := command.Output()
		return string(output), err
	}
	shown := func(args ...string) (string, error) {
		return on(append([]string{absolute(t, "build/cape")}, args...)...)
	}
	const full = "[==============================] 100 %\r\n"
	deployed, err := shown("deploy", "echo")
	if err != nil || !strings.HasPrefix(deployed, "\rdeploying [") || !strings.HasSuffix(deployed, full) {
		t.Errorf("%v, %q", err, deployed)
	}
	deployed, err = shown("deploy", "echo", "--name", "bob/echo")
	if before, after, drawn := strings.Cut(deployed, full); err == nil || !drawn || !strings.HasPrefix(before, "\rdeploying ") || !strings.HasPrefix(after, "cape: ") || strings.Count(after, "\n") != 1 {
		t.Errorf("%v, %q", err, deployed)
	}
	if tried, err := shown("test", "echo", "x"); err != nil || !strings.HasPrefix(tried, "\rsending [") || !strings.HasSuffix(tried, full) {
		t.Errorf("%v, %q", err, tried)
	}
	large := strings.Repeat("x", 100<<10) // an argument can be no longer
	if sent, err := shown("run", user+"/echo", large); err != nil || sent != "" {
		t.Errorf("for a small input, %v, %q", err, sent)
	}
	sent, err := shown("run", user+"/echo", "-f", absolute(t, "build/cape"))
	if err != nil || !strings.HasPrefix(sent, "\rsending [") || !strings.HasSuffix(sent, full) {
		t.Errorf("%v, %q", err, sent)
	}
	// What a function gives ends its line there.
	for given, want := range map[string]string{"x": "x\r\n", "x\n": "x\r\n", "": "\r\n"} {
		if result, err := on("stdout", absolute(t, "build/cape"), "run", user+"/echo", given); err != nil || result != want {
			t.Errorf("%v, %q", err, result)
		}
	}
}
