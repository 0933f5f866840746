package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/tests/abi/built"
)

// answer is what a language says about a document.
type answer struct {
	code   int // 0, or that of the error
	reason string
	report map[string]any
}

// inGo judges the documents with capelib.
func inGo(t *testing.T, jobs []job) []answer {
	t.Helper()
	var answers []answer
	for _, j := range jobs {
		options, err := capelib.ParseVerifyOptions(encode(t, j.options))
		if err != nil {
			t.Fatalf("%s: %v", j.name, err)
		}
		report, err := capelib.Verify(readFile(t, j.file), options)
		var a answer
		if err != nil {
			failure := capelib.AsError(err)
			a.code, a.reason = int(failure.Code), failure.Reason
		}
		if err := json.Unmarshal(encode(t, report), &a.report); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	return answers
}

// inC compiles the program and links it with the library, which it finds under its SONAME.
func inC(t *testing.T, jobs []job) []answer {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"libcape.so", "libcape.so.1"} {
		if err := os.Symlink(built.Library(t), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(folder, "verify")
	output, err := exec.Command("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-I"+built.Path("include"),
		"-o", program, "programs/verify.c", "-L"+folder, "-lcape", "-Wl,-rpath,"+folder).CombinedOutput()
	if err != nil {
		t.Fatalf("cc: %v\n%s", err, output)
	}
	return feed(t, jobs, program)
}

func inPython(t *testing.T, jobs []job) []answer {
	t.Helper()
	return feed(t, jobs, built.Python(t), "programs/verify.py")
}

func inNode(t *testing.T, jobs []job) []answer {
	t.Helper()
	return feed(t, jobs, "node", "programs/verify.mjs")
}

// feed runs a program that reads a line for each job, path and options, and answers with one:
// code, reason and report.
func feed(t *testing.T, jobs []job, name string, arguments ...string) []answer {
	t.Helper()
	var lines, complaints bytes.Buffer
	for _, j := range jobs {
		lines.WriteString(j.file + "\t" + string(encode(t, j.options)) + "\n")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, arguments...)
	command.Stdin, command.Stderr = &lines, &complaints
	output, err := command.Output()
	if err != nil || complaints.Len() > 0 {
		t.Fatalf("%s: %v\n%s", command, err, complaints.Bytes())
	}
	var answers []answer
	for line := range strings.Lines(string(output)) {
		fields := strings.Split(line, "\t")
		if len(fields) != 3 {
			t.Fatalf("not code, reason and report: %q", line)
		}
		a := answer{reason: fields[1]}
		if a.code, err = strconv.Atoi(fields[0]); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(fields[2]), &a.report); err != nil {
			t.Fatalf("the report %s: %v", fields[2], err)
		}
		answers = append(answers, a)
	}
	return answers
}

func encode(t *testing.T, value any) []byte {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}
