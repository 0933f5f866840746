// Package service tries 'cape enclave --data' as a process, with the other commands as its clients.
package service

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	root     = "../.."
	patience = 60 * time.Second
)

// command is where the command lies that is tried.
func command(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "build/cape"))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	return path
}

func python(t *testing.T) string {
	t.Helper()
	if named := os.Getenv("CAPE_PYTHON"); named != "" {
		return named
	}
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs a python3 in PATH, or CAPE_PYTHON")
	}
	return path
}

// served is a running enclave.
type served struct {
	t     *testing.T
	cape  string
	home  string
	line  struct{ URL, Token, AttestationRoot string }
	token string
	pid   int
	kill  func(syscall.Signal)
}

// serve starts an enclave on a data folder.
func serve(t *testing.T, data string, flags ...string) *served {
	t.Helper()
	s := &served{t: t, cape: command(t), home: t.TempDir()}
	process := exec.Command(s.cape, append([]string{"enclave", "--data", data, "--python", python(t)}, flags...)...)
	process.Stderr = os.Stderr
	output, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	s.pid = process.Process.Pid
	var once sync.Once
	s.kill = func(signal syscall.Signal) {
		once.Do(func() {
			_ = process.Process.Signal(signal)
			_ = process.Wait()
		})
	}
	t.Cleanup(func() { s.kill(syscall.SIGTERM) })
	guard := time.AfterFunc(patience, func() { _ = process.Process.Kill() })
	defer guard.Stop()
	text, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("the enclave says %q: %v", text, err)
	}
	var line struct {
		URL   string `json:"url"`
		Root  string `json:"attestation_root"`
		Token string `json:"token"`
	}
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		t.Fatal(err)
	}
	s.line.URL, s.line.Token, s.line.AttestationRoot = line.URL, line.Token, line.Root
	if line.Token != "" {
		token, err := os.ReadFile(line.Token)
		if err != nil {
			t.Fatal(err)
		}
		s.token = string(token)
	}
	return s
}

// try runs a command with a token, and returns what it printed and said.
func (s *served) try(token string, args ...string) (output, said string, err error) {
	s.t.Helper()
	process := exec.Command(s.cape, args...)
	process.Env = append(os.Environ(), "HOME="+s.home, "CAPE_LOCAL_CONFIG_DIR="+s.home,
		"CAPE_ENCLAVE_HOST="+s.line.URL, "CAPE_ATTESTATION_ROOT="+s.line.AttestationRoot)
	if token != "" {
		process.Args = append(process.Args, "--token", token)
	}
	var out, errs strings.Builder
	process.Stdout, process.Stderr = &out, &errs
	err = process.Run()
	return strings.TrimSpace(out.String()), errs.String(), err
}

func (s *served) want(token string, args ...string) string {
	s.t.Helper()
	output, said, err := s.try(token, args...)
	if err != nil {
		s.t.Fatalf("cape %s: %v: %s", strings.Join(args, " "), err, said)
	}
	return output
}

func (s *served) wantRefused(text, token string, args ...string) {
	s.t.Helper()
	output, said, err := s.try(token, args...)
	if err == nil || !strings.Contains(said, text) {
		s.t.Errorf("cape %s prints %q and says %q, want %q", strings.Join(args, " "), output, said, text)
	}
}

// any accepts each enclave that the root vouches for, which is the one that was started.
func (s *served) any() string {
	s.t.Helper()
	path := filepath.Join(s.home, "any.json")
	if err := os.WriteFile(path, []byte(`{"any": true}`), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func member(t *testing.T, text, name string) string {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return fmt.Sprint(members[name])
}

func TestAServiceFromDeploymentToDeletion(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	echo, err := filepath.Abs(filepath.Join(root, "tests/functions/echo"))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, data, "--auth", "--user", "ada")
	policy := s.any()
	s.wantRefused("auth.rejected", "no-token", "list")
	token := s.want(s.token, "token", "create", "--name", "mine")
	id := member(t, s.want(token, "deploy", echo, "--policy", policy, "-o", "json"), "function_id")
	if list := s.want(token, "list"); !strings.Contains(list, "ada/echo") || !strings.Contains(list, id) {
		t.Errorf("the list is %s", list)
	}
	for _, reference := range []string{id, "ada/echo"} {
		if output := s.want(token, "run", reference, "hello", "--policy", policy); output != "hello" {
			t.Errorf("%s gives %q", reference, output)
		}
	}
	sealed := s.want(token, "encrypt", "a secret", "--policy", policy)
	if output := s.want(token, "run", id, sealed, "--policy", policy); output != "a secret" {
		t.Errorf("what was encrypted gives %q", output)
	}
	scoped := s.want(token, "token", "create", "--name", "scoped", "--function", id)

	s.kill(syscall.SIGKILL)
	s = serve(t, data, "--auth", "--user", "ada")
	policy = s.any()
	if output := s.want(scoped, "run", "ada/echo", "again", "--policy", policy); output != "again" {
		t.Errorf("after a kill: %q", output)
	}
	if output := s.want(scoped, "run", id, sealed, "--policy", policy); output != "a secret" {
		t.Errorf("after a kill, what was encrypted before gives %q", output)
	}
	s.wantRefused("auth.rejected", scoped, "list")
	var tokens struct {
		Tokens []struct{ ID, Name string } `json:"tokens"`
	}
	text := s.want(token, "token", "list", "-o", "json")
	if err := json.Unmarshal([]byte(text), &tokens); err != nil || len(tokens.Tokens) != 3 {
		t.Fatalf("%s: %v", text, err) // mine, scoped, and the one of this start
	}
	for _, entry := range tokens.Tokens {
		if entry.Name == "scoped" {
			s.want(token, "token", "delete", entry.ID)
		}
	}
	s.wantRefused("revoked", scoped, "run", id, "x", "--policy", policy)
	s.want(token, "delete", id)
	s.wantRefused("no such function", token, "run", id, "x", "--policy", policy)
	s.wantRefused("no such function", token, "run", "ada/echo", "x", "--policy", policy)
}

// TestTheTokenOfAStartEndsWithTheNextOne is about the file of the token, too, which an enclave that is
// killed leaves behind.
func TestTheTokenOfAStartEndsWithTheNextOne(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	first := serve(t, data, "--auth", "--user", "ada")
	first.want(first.token, "list")
	first.kill(syscall.SIGKILL)
	second := serve(t, data, "--auth", "--user", "bob")
	second.wantRefused("the token was revoked", first.token, "list")
	second.want(second.token, "list")
	if first.line.Token != second.line.Token {
		t.Errorf("the tokens are in %s and %s", first.line.Token, second.line.Token)
	}
	if info, err := os.Stat(second.line.Token); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	second.kill(syscall.SIGTERM)
	if _, err := os.Stat(filepath.Dir(second.line.Token)); !os.IsNotExist(err) {
		t.Errorf("the token is left behind: %v", err)
	}
}

func TestFoldersBesideAServiceAreForWhoeverHasAToken(t *testing.T) {
	t.Parallel()
	s := serve(t, filepath.Join(t.TempDir(), "data"), "--auth", "--user", "ada", filepath.Join(root, "tests/functions/echo"))
	s.wantRefused("auth.rejected", "", "run", "local/echo", "abc", "--any-enclave")
	sealed := s.want("", "encrypt", "abc", "--username", "local", "--any-enclave")
	if output := s.want(s.token, "run", "local/echo", sealed, "--any-enclave"); output != "abc" {
		t.Errorf("%q", output)
	}
}

func TestTwoEnclavesDoNotShareADataFolder(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	s := serve(t, data)
	second := exec.Command(s.cape, "enclave", "--data", data, "--python", python(t))
	said, err := second.CombinedOutput()
	if err == nil || second.ProcessState.ExitCode() != 2 || !strings.Contains(string(said), "another enclave has it open") {
		t.Errorf("the second one ends with %v and says %s", err, said)
	}
}

func TestFlagsThatSayNothingAreRefused(t *testing.T) {
	t.Parallel()
	notKey := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(notKey, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, args := range map[string][]string{
		"--data is empty":       {"--data", ""},
		"need --data":           {"--auth", "folder"},
		"or a data folder":      {},
		"--auth-audience needs": {"--data", t.TempDir(), "--auth-audience", "x"},
		"--auth-keys is empty":  {"--data", t.TempDir(), "--auth-keys", ""},
		"cannot be read":        {"--data", t.TempDir(), "--auth-keys", "/nothing"},
		"cannot be used":        {"--data", t.TempDir(), "--auth-keys", notKey},
		"cannot be named":       {"--data", t.TempDir(), "--auth", "--user", "a/b"},
	} {
		process := exec.Command(command(t), append([]string{"enclave", "--python", python(t)}, args...)...)
		said, err := process.CombinedOutput()
		if err == nil || process.ProcessState.ExitCode() != 2 || !strings.Contains(string(said), text) {
			t.Errorf("%q ends with %v and says %s", args, err, said)
		}
	}
}
