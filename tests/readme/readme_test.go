// Package readme runs what README.md shows: its examples in every language, against a local
// enclave.
package readme

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
)

const root = "../.."

// top is the absolute path of the project.
func top(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// shown says how many code blocks of each language the README has: the first shows one call, the
// second many at once.
var shown = map[string]int{"python": 2, "js": 2, "c": 3, "go": 1, "cpp": 1, "json": 1}

// example returns a code block of a language in the README, of which 0 is the first.
func example(t *testing.T, language string, number int) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```"+regexp.QuoteMeta(language)+"\n(.*?)^```$").FindAllSubmatch(text, -1)
	if len(blocks) != shown[language] {
		t.Fatalf("the README has %d blocks of %s, not %d", len(blocks), language, shown[language])
	}
	return string(blocks[number][1])
}

// options starts an enclave with the echo function, and returns what connects to it.
func options(t *testing.T) string {
	t.Helper()
	enclave := exec.Command("build/cape", "enclave", "--python", "build/venv/bin/python", "tests/functions/echo")
	enclave.Dir = root
	enclave.Stderr = os.Stderr
	output, err := enclave.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := enclave.Start(); err != nil {
		t.Fatalf("%v: run make build bindings first", err)
	}
	t.Cleanup(func() {
		_ = enclave.Process.Signal(syscall.SIGTERM)
		_ = enclave.Wait()
	})
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ready struct {
		URL             string            `json:"url"`
		AttestationRoot string            `json:"attestation_root"`
		PCRs            map[string]string `json:"pcrs"`
	}
	if err := json.Unmarshal(line, &ready); err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(ready.AttestationRoot)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(map[string]any{
		"url": ready.URL, "function": "local/echo", "attestation_roots": string(pem),
		"policy": map[string]any{"pcrs": map[string]any{"0": []string{ready.PCRs["0"]}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// run runs a command in a folder and returns what it prints.
func run(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = folder
	var errors strings.Builder
	command.Stderr = &errors
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", name, err, output, errors.String())
	}
	return string(output)
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func want(t *testing.T, got, wanted string) {
	t.Helper()
	if got != wanted {
		t.Errorf("it prints %q, not %q", got, wanted)
	}
}

func TestPythonExamples(t *testing.T) {
	t.Parallel()
	python := top(t) + "/build/venv/bin/python"
	want(t, run(t, root, python, write(t, "one.py", example(t, "python", 0))), "5.0\n")
	want(t, run(t, root, python, write(t, "many.py", example(t, "python", 1))), "1000\n")
}

func TestNodeExamples(t *testing.T) {
	t.Parallel()
	for number, prints := range []string{"5\n", "1000\n"} {
		// Beside the package's own modules, so that its name is found as in a program that depends on it.
		file := filepath.Join(top(t), "bindings/node/examples", fmt.Sprintf(".readme%d.mjs", number))
		if err := os.WriteFile(file, []byte(example(t, "js", number)), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(file) })
		want(t, run(t, root, "node", file), prints)
	}
}

func TestGoExample(t *testing.T) {
	t.Parallel()
	// The module's own code is found through the module, so the program lies inside it.
	folder, err := os.MkdirTemp(".", ".example")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte(example(t, "go", 0)), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, run(t, folder, "go", "run", "main.go", options(t)), "hello\n")
}

func TestCExamples(t *testing.T) {
	t.Parallel()
	for number, prints := range []string{"hello\n", "1000\n"} {
		want(t, run(t, root, compiled(t, number), options(t)), prints)
	}
}

// compiled is the program that a block of C in the README makes.
func compiled(t *testing.T, number int) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "example")
	run(t, root, compiler("CC", "cc"), "-std=c11", "-Wall", "-Wextra", "-Werror", "-Iinclude",
		write(t, "example.c", example(t, "c", number)), "-Lbuild", "-lcape", "-Wl,-rpath,"+top(t)+"/build", "-o", program)
	return program
}

func TestCExampleSealsWhatTheEnclaveOpens(t *testing.T) {
	t.Parallel()
	var members map[string]any
	toConnect := options(t)
	if err := json.Unmarshal([]byte(toConnect), &members); err != nil {
		t.Fatal(err)
	}
	delete(members, "function")
	members["request"] = "key"
	toAsk, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	sealed := run(t, root, compiled(t, 2), string(toAsk), "a secret")
	o, err := capelib.ParseOptions([]byte(toConnect))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := capelib.Connect(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	opened, err := conn.Invoke(context.Background(), []byte(sealed))
	if err != nil {
		t.Fatal(err)
	}
	want(t, string(opened), "a secret")
}

func TestCPlusPlusExample(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "example")
	run(t, root, compiler("CXX", "c++"), "-std=c++17", "-Wall", "-Wextra", "-Werror", "-Iinclude",
		write(t, "example.cpp", example(t, "cpp", 0)), "-Lbuild", "-lcape", "-Wl,-rpath,"+top(t)+"/build", "-o", program)
	want(t, run(t, root, program, options(t)), "hello\n")
}

func TestOptionsExampleIsReadAsOptions(t *testing.T) {
	t.Parallel()
	var parsed map[string]any
	if err := json.Unmarshal([]byte(example(t, "json", 0)), &parsed); err != nil {
		t.Error(err)
	}
}

func TestExamplesAreTenLinesAtMost(t *testing.T) {
	t.Parallel()
	for _, language := range []string{"python", "js", "go", "c", "cpp"} {
		code := example(t, language, 0)
		if _, body, found := strings.Cut(code, "main("); found {
			body = body[strings.Index(body, "{\n")+2:]
			code, _, _ = strings.Cut(body, "\n}")
		}
		if lines := len(strings.FieldsFunc(code, func(r rune) bool { return r == '\n' })); lines > 10 {
			t.Errorf("the example in %s has %d lines", language, lines)
		}
	}
}

func TestReadmeOpensWithTheTwoCommands(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	opening, _, _ := strings.Cut(string(text), "\n## ")
	for _, command := range []string{"make demo", "make test"} {
		if !strings.Contains(opening, command) {
			t.Errorf("the README does not open with %q", command)
		}
	}
}

func compiler(variable, usual string) string {
	if chosen := os.Getenv(variable); chosen != "" {
		return chosen
	}
	return usual
}

// internal are reasons that no caller sees: the layer above gives them another.
var internal = []string{"closed.local", "closed.lost", "closed.peer", "closed.silent", "timeout.write", "limit.message"}

// composed are reasons that the sources put together from a name.
var composed = []string{"policy.function_checksum_missing", "policy.key_checksum_missing",
	"document.module_id", "document.digest", "document.timestamp", "document.pcrs", "document.certificate",
	"document.cabundle", "document.public_key", "document.user_data", "document.nonce"}

func TestReadmeListsEveryReason(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]bool)
	const reasons = "((?:argument|handle|connect|tls|auth|policy|protocol|serdio|function|timeout|cancelled|closed|limit|memory|forked|panic|parse|cbor|cose|document|chain|signature|time|nonce|key)\\.[a-z][a-z0-9_]*)"
	for _, found := range regexp.MustCompile("`"+reasons+"`").FindAllSubmatch(text, -1) {
		listed[string(found[1])] = true
	}
	quoted := regexp.MustCompile(`"` + reasons + `"`)
	given := make(map[string]bool)
	for _, name := range composed {
		given[name] = true
	}
	for _, folder := range []string{"core", "capelib", "export", "bindings/python/pycape", "bindings/python/serdio", "bindings/node/src"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") ||
				!slices.Contains([]string{".go", ".c", ".py", ".ts"}, filepath.Ext(path)) {
				return err
			}
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, found := range quoted.FindAllSubmatch(source, -1) {
				given[string(found[1])] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range given {
		if !listed[name] && !slices.Contains(internal, name) {
			t.Errorf("%s is not in the README", name)
		}
	}
	for name := range listed {
		if !given[name] {
			t.Errorf("the README lists %s, which nothing gives", name)
		}
	}
}
