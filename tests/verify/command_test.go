package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/tests/abi/built"
)

// commandJobs leaves out what the command line judges otherwise than the libraries do, which take
// raw documents only.
func commandJobs(t *testing.T, jobs []job) []job {
	t.Helper()
	var kept []job
	for _, j := range jobs {
		switch {
		case j.options.PublicKeyLength != 0:
			t.Logf("%s is left out: no flag asks for the length of the public key", j.name)
		case j.name == "base64":
			t.Logf("%s is left out: the command recognises base64", j.name)
		default:
			kept = append(kept, j)
		}
	}
	return kept
}

// onCommandLine runs 'cape verify' for each document, in a process of its own.
func onCommandLine(t *testing.T, jobs []job) []answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cape, folder := built.Path("build", "cape"), t.TempDir()
	answers := make([]answer, len(jobs))
	errs := make([]error, len(jobs))
	free := make(chan struct{}, 2*runtime.NumCPU())
	var running sync.WaitGroup
	for i, j := range jobs {
		command := exec.CommandContext(ctx, cape, append(flags(t, folder, j.options), j.file)...)
		free <- struct{}{}
		running.Go(func() {
			defer func() { <-free }()
			answers[i], errs[i] = runCommand(command)
		})
	}
	running.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("%s: %v", jobs[i].name, err)
		}
	}
	return answers
}

// runCommand takes the code from the report's reason, as the exit status says only 0 or 1.
func runCommand(command *exec.Cmd) (answer, error) {
	var output, complaints bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaints
	err := command.Run()
	if command.ProcessState == nil || complaints.Len() > 0 {
		return answer{}, fmt.Errorf("%v: %s", err, complaints.Bytes())
	}
	var a answer
	if err := json.Unmarshal(output.Bytes(), &a.report); err != nil {
		return answer{}, fmt.Errorf("the report %s: %v", output.Bytes(), err)
	}
	a.reason, _ = a.report["reason"].(string)
	switch status := command.ProcessState.ExitCode(); {
	case status == 0:
	case status == 1 && strings.HasPrefix(a.reason, "policy."):
		a.code = int(capelib.CodePolicy)
	case status == 1:
		a.code = int(capelib.CodeAttestation)
	default:
		return answer{}, fmt.Errorf("exit status %d", status)
	}
	return a, nil
}

// flags says on the command line what options say. What has to be a file is put into folder.
func flags(t *testing.T, folder string, o options) []string {
	t.Helper()
	arguments := []string{"verify", "--json", "--policy", keep(t, folder, string(o.Policy))}
	if o.AttestationRoots != "" {
		arguments = append(arguments, "--root", keep(t, folder, o.AttestationRoots))
	}
	if o.Nonce != "" {
		arguments = append(arguments, "--nonce", o.Nonce)
	}
	if o.AtDocumentTime {
		return append(arguments, "--at-document-time")
	}
	return append(arguments, "--at", o.Time)
}

// keep is the path of a file with the content.
func keep(t *testing.T, folder, content string) string {
	t.Helper()
	file, err := os.CreateTemp(folder, "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(content); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}
