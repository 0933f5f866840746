// Package cli tries the cape command as a user would: the built program, its streams and its
// exit status.
package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	root  = "../.."
	cape  = "build/cape"
	wrong = "0:5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"
)

// ready is the line that 'cape enclave' prints.
type ready struct {
	URL             string                                `json:"url"`
	AttestationRoot string                                `json:"attestation_root"`
	TLSCA           string                                `json:"tls_ca"`
	Functions       []struct{ ID, Name, Checksum string } `json:"functions"`
	PCRs            map[string]string                     `json:"pcrs"`

	process *exec.Cmd
	log     *bytes.Buffer
}

func start(t *testing.T, args ...string) *ready {
	t.Helper()
	command := exec.Command(cape, append([]string{"enclave", "--python", "build/venv/bin/python"}, args...)...)
	command.Dir = root
	enclave := &ready{process: command, log: new(bytes.Buffer)}
	command.Stderr = enclave.log
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("%v: run make build bindings first", err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM) // so that it removes its folders
		_ = command.Wait()
	})
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err != nil {
		t.Fatalf("no ready line: %v", err)
	}
	if err := json.Unmarshal(line, enclave); err != nil {
		t.Fatalf("the ready line %s: %v", line, err)
	}
	return enclave
}

// at are the flags that lead to the enclave.
func (r *ready) at(args ...string) []string {
	args = append(args, "--url", r.URL, "--attestation-root", r.AttestationRoot)
	if r.TLSCA != "" {
		args = append(args, "--tls-ca", r.TLSCA)
	}
	return args
}

// run gives the command's standard output, standard error and exit status.
func run(t *testing.T, input string, args ...string) (string, string, int) {
	t.Helper()
	command := exec.Command(cape, args...)
	command.Dir = root
	command.Stdin = strings.NewReader(input)
	var output, errors_ bytes.Buffer
	command.Stdout, command.Stderr = &output, &errors_
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return output.String(), errors_.String(), command.ProcessState.ExitCode()
}

// runIn runs the command in an environment that has nothing but what is given.
func runIn(t *testing.T, environment []string, args ...string) (output, said string, status int) {
	t.Helper()
	command := exec.Command(cape, args...)
	command.Dir, command.Env = root, environment
	var out, messages bytes.Buffer
	command.Stdout, command.Stderr = &out, &messages
	_ = command.Run()
	return out.String(), messages.String(), command.ProcessState.ExitCode()
}

// runTo runs the command with its standard output going elsewhere.
func runTo(t *testing.T, output *os.File, args ...string) (said string, status int) {
	t.Helper()
	command := exec.Command(cape, args...)
	command.Dir = root
	var messages bytes.Buffer
	command.Stdout, command.Stderr = output, &messages
	_ = command.Run()
	return messages.String(), command.ProcessState.ExitCode()
}

func TestRunWritesTheResultAndNothingElse(t *testing.T) {
	t.Parallel()
	enclave := start(t, "tests/functions/echo", "tests/functions/pythagorean")
	pin := []string{"--pcr", "0:" + enclave.PCRs["0"], "--pcr", "2:" + enclave.PCRs["2"]}
	file := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(file, []byte("from a file\x00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args         []string
		stdin, wants string
	}{
		"argument":       {[]string{"run", "local/echo", "hello"}, "", "hello"},
		"empty argument": {[]string{"run", "local/echo", ""}, "", ""},
		"file":           {[]string{"run", "local/echo", "-f", file}, "", "from a file\x00\n"},
		"a bare dash":    {[]string{"run", "local/echo", "-"}, "from a pipe", "from a pipe"},
		"standard input": {[]string{"run", "local/echo", "-f", "-"}, "from a pipe", "from a pipe"},
		"serdio":         {[]string{"run", "local/pythagorean", "--args", "[3, 4]"}, "", "5.0\n"},
		"serdio by name": {[]string{"run", "local/pythagorean", "--args", `{"args": [3], "kwargs": {"b": 4}}`}, "", "5.0\n"},
		"by id":          {[]string{"run", enclave.Functions[0].ID, "hello"}, "", "hello"},
	} {
		output, said, status := run(t, c.stdin, append(enclave.at(c.args...), pin...)...)
		if output != c.wants || said != "" || status != 0 {
			t.Errorf("%s: %q, %q, exit status %d", name, output, said, status)
		}
	}
}

func TestRunChecksTheFunction(t *testing.T) {
	t.Parallel()
	enclave := start(t, "--tls", "tests/functions/echo")
	if !strings.HasPrefix(enclave.URL, "wss://") {
		t.Errorf("with --tls the url is %s", enclave.URL)
	}
	output, said, status := run(t, "", enclave.at("run", "local/echo", "x", "--function-checksum", enclave.Functions[0].Checksum)...)
	if output != "x" || said != "" || status != 0 {
		t.Errorf("the right checksum: %q, %q, exit status %d", output, said, status)
	}
	for range 3 { // each time the enclave hears of it at another moment
		output, said, status = run(t, "", enclave.at("run", "local/echo", "x", "--function-checksum", strings.Repeat("00", 32))...)
		if output != "" || !strings.Contains(said, "policy.function_checksum") || status != 1 {
			t.Errorf("a wrong checksum: %q, %q, exit status %d", output, said, status)
		}
	}
	_ = enclave.process.Process.Signal(syscall.SIGTERM)
	_ = enclave.process.Wait()
	if log := enclave.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the enclave takes a caller's refusal for a failure of its own: %s", log)
	}
}

func TestAnEnclaveWithoutADataFolderSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	enclave := start(t, "tests/functions/echo")
	for _, command := range []string{"list", "token list"} {
		output, said, status := run(t, "", append(strings.Fields(command), "--url", enclave.URL)...)
		const says = " does not have what was asked for: this enclave keeps neither functions nor tokens: start it with a data folder, cape enclave --data (connect.not_found)\n"
		if output != "" || !strings.HasSuffix(said, says) || status != 1 {
			t.Errorf("%s: %q, %q, exit status %d", command, output, said, status)
		}
	}
}

func TestADeadlineThatPassesNamesItsFlag(t *testing.T) {
	t.Parallel()
	enclave := start(t, "--fault", "no_reply", "tests/functions/echo")
	for name, flags := range map[string][]string{
		"connecting": {"--url", enclave.URL, "--timeout", "1ns"},
		"running":    enclave.at("--timeout", "2s"),
	} {
		output, said, status := run(t, "", append([]string{"run", "local/echo", "x", "--any-enclave"}, flags...)...)
		if output != "" || !strings.Contains(said, "; --timeout allows more (timeout.") || status != 1 {
			t.Errorf("%s: %q, %q, exit status %d", name, output, said, status)
		}
	}
}

func TestExitStatusTellsRefusalFromUsage(t *testing.T) {
	t.Parallel()
	enclave := start(t, "tests/functions/echo", "tests/functions/pythagorean")
	for name, c := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"wrong PCR":       {enclave.at("run", "local/echo", "x", "--pcr", wrong), 1, "policy.pcr_mismatch"},
		"function fails":  {enclave.at("run", "local/pythagorean", "x", "--any-enclave"), 1, "local/pythagorean failed: DecodeError: the data is no serialized call: it is not a map; a function made with serdio takes --args (function.error)"},
		"args and input":  {enclave.at("run", "local/echo", "x", "--args", "[]", "--any-enclave"), 2, "not both"},
		"args no JSON":    {enclave.at("run", "local/echo", "--args", "[x]", "--any-enclave"), 2, "argument.json"},
		"args no array":   {enclave.at("run", "local/echo", "--args", "3", "--any-enclave"), 2, "[3, 4]"},
		"no arguments":    {[]string{"run"}, 2, "FUNCTION"},
		"no folders":      {[]string{"enclave"}, 2, "folder"},
		"no function":     {enclave.at("run", "local/none", "x", "--any-enclave"), 1, "connect.function"},
		"nothing listens": {[]string{"run", "local/echo", "x", "--any-enclave", "--url", "ws://127.0.0.1:1"}, 1, "connect.refused"},
		"no policy":       {enclave.at("run", "local/echo", "x"), 2, "--any-enclave"},
		"no url":          {[]string{"run", "local/echo", "x", "--any-enclave"}, 2, "--url"},
		"no input":        {enclave.at("run", "local/echo", "--any-enclave"), 2, "-f"},
		"both inputs":     {enclave.at("run", "local/echo", "x", "-f", "-", "--any-enclave"), 2, "not both"},
		"bad PCR":         {enclave.at("run", "local/echo", "x", "--pcr", "0"), 2, "INDEX:HEX"},
		"PCR index":       {enclave.at("run", "local/echo", "x", "--pcr", "32:00"), 2, "0 to 31"},
		"PCR size":        {enclave.at("run", "local/echo", "x", "--pcr", "0:00"), 2, "argument.policy"},
		"no such file":    {enclave.at("run", "local/echo", "-f", "/nonexistent", "--any-enclave"), 2, "nonexistent"},
		"bad url":         {[]string{"run", "local/echo", "x", "--any-enclave", "--url", "nowhere"}, 2, "argument.url"},
		"unknown command": {[]string{"fly"}, 2, "fly"},
		"unknown flag":    {[]string{"run", "--fly"}, 2, "fly"},
		"no folder":       {[]string{"enclave", "/nonexistent"}, 2, "nonexistent"},
		"unknown fault":   {[]string{"enclave", "--fault", "fly", "tests/functions/echo"}, 2, "--help"},
		"no interpreter":  {[]string{"enclave", "--python", "/nonexistent", "tests/functions/echo"}, 2, "--python"},
	} {
		output, said, status := run(t, "", c.args...)
		if output != "" || status != c.status || !strings.Contains(said, c.says) || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: %q, %q, exit status %d; want %d and %q", name, output, said, status, c.status, c.says)
		}
	}
}

func TestEnclaveEndsCleanlyWhenAsked(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		enclave := start(t, "tests/functions/echo")
		if _, err := os.Stat(enclave.AttestationRoot); err != nil {
			t.Error(err)
		}
		if err := enclave.process.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- enclave.process.Wait() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("%v: %v\n%s", signal, err, enclave.log)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%v does not end it", signal)
		}
		if _, err := os.Stat(enclave.AttestationRoot); !os.IsNotExist(err) {
			t.Errorf("%v leaves the root file behind: %v", signal, err)
		}
	}
}

func TestLocalPCRsAreNeverZeroAndTheChecksumIsOfTheFolder(t *testing.T) {
	t.Parallel()
	first, second := start(t, "tests/functions/echo"), start(t, "tests/functions/echo")
	for _, index := range []string{"0", "1", "2"} {
		if strings.Trim(first.PCRs[index], "0") == "" || len(first.PCRs[index]) != 96 || first.PCRs[index] != second.PCRs[index] {
			t.Errorf("PCR%s is %q and %q", index, first.PCRs[index], second.PCRs[index])
		}
	}
	if first.Functions[0].Checksum != second.Functions[0].Checksum || len(first.Functions[0].Checksum) != 64 {
		t.Errorf("the checksums are %q and %q", first.Functions[0].Checksum, second.Functions[0].Checksum)
	}
	one, err := os.ReadFile(first.AttestationRoot)
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(second.AttestationRoot)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(one, two) {
		t.Error("two enclaves share their root")
	}
}
