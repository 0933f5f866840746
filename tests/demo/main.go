// Command demo starts a local enclave with two functions, calls one from every language, and
// shows what happens when another enclave than the expected one answers. It is what 'make demo'
// runs, from the top of the project, after building. Exit status 0 only if every line is right.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

const deadline = 2 * time.Minute

// clients are the programs that call the enclave, each with URL ROOT_PEM_FILE PCR0.
var clients = []struct {
	language string
	command  []string
}{
	{"c", []string{"build/demo-c", "--demo"}},
	{"c++", []string{"build/demo-cpp", "--demo"}},
	{"go", []string{"build/demo-go"}},
	{"python", []string{"build/venv/bin/python", "bindings/python/examples/demo.py"}},
	{"node", []string{"node", "bindings/node/examples/demo.mjs"}},
}

// ready is the line that 'cape enclave' prints.
type ready struct {
	URL             string            `json:"url"`
	AttestationRoot string            `json:"attestation_root"`
	PCRs            map[string]string `json:"pcrs"`
}

func main() {
	if err := demonstrate(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demonstrate() error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	enclave, stop, err := startEnclave(ctx)
	if err != nil {
		return err
	}
	defer stop()
	var failures []error
	for _, client := range clients {
		if err := call(ctx, client.language, client.command, enclave); err != nil {
			failures = append(failures, err)
		}
	}
	if err := refusal(ctx, enclave); err != nil {
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

func startEnclave(ctx context.Context) (*ready, func(), error) {
	command := exec.CommandContext(ctx, "build/cape", "enclave", "--python", "build/venv/bin/python",
		"tests/functions/pythagorean", "tests/functions/echo")
	var log bytes.Buffer
	command.Stderr = &log
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := command.Start(); err != nil {
		return nil, nil, err
	}
	stop := func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
	}
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("the enclave did not start: %s", log.String())
	}
	var enclave ready
	if err := json.Unmarshal(line, &enclave); err != nil {
		stop()
		return nil, nil, fmt.Errorf("the enclave's first line: %w", err)
	}
	return &enclave, stop, nil
}

// call runs one client, prints its line, and compares it with what it has to be.
func call(ctx context.Context, language string, command []string, enclave *ready) error {
	pcr0 := enclave.PCRs["0"]
	run := exec.CommandContext(ctx, command[0], append(command[1:], enclave.URL, enclave.AttestationRoot, pcr0)...)
	run.Stderr = os.Stderr
	output, err := run.Output()
	fmt.Print(string(output))
	if err != nil {
		return fmt.Errorf("%s: %w", language, err)
	}
	want := regexp.MustCompile(`^` + regexp.QuoteMeta(fmt.Sprintf("%-8s", language)) +
		`attested i-[0-9a-f]+-enc[0-9a-f]+  PCR0 ` + pcr0[:8] +
		`\.\.\.  pythagorean\(3, 4\) = 5  pythagorean\(5, 12\) = 13\n$`)
	if !want.Match(output) {
		return fmt.Errorf("%s: the line is not as it should be", language)
	}
	return nil
}

// refusal makes the same call with a PCR0 that the enclave does not have.
func refusal(ctx context.Context, enclave *ready) error {
	wrong := strings.Repeat("5a", 48)
	run := exec.CommandContext(ctx, "build/cape", "run", "local/pythagorean", "-f", "-", "--url", enclave.URL,
		"--attestation-root", enclave.AttestationRoot, "--pcr", "0:"+wrong)
	var said bytes.Buffer
	run.Stderr = &said
	run.Stdin = strings.NewReader("")
	output, err := run.Output()
	fmt.Printf("refused PCR0 %s...  %s", wrong[:8], said.String())
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || len(output) > 0 || !strings.Contains(said.String(), "policy.pcr_mismatch") {
		_, _ = io.WriteString(os.Stdout, "\n")
		return errors.New("an enclave with another PCR0 was not refused as it should be")
	}
	return nil
}
