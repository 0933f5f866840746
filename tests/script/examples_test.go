package script

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/libcape/libcape/core/attest"
	"github.com/libcape/libcape/core/wire"
)

// TestTheExamplesOfEachCommandsHelpRun takes the examples out of the help, and runs each as it is, but for the
// enclave's address.
func TestTheExamplesOfEachCommandsHelpRun(t *testing.T) {
	t.Parallel()
	for _, command := range commands(t, nil) {
		name := strings.Join(command, " ")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			examples := section(help(t, command), "Examples:\n")
			if strings.TrimSpace(examples) == "" {
				t.Fatal("its help has no example")
			}
			folder := t.TempDir()
			variables := prepare(t, folder, t.Cleanup)
			sh := func(line string) string {
				t.Helper()
				shell := exec.Command("sh", "-c", line)
				shell.Dir = folder
				shell.Env = []string{"CAPE_ENCLAVE_HOST=" + variables["URL"], "CAPE_ATTESTATION_ROOT=root.pem"}
				for name, value := range variables {
					shell.Env = append(shell.Env, name+"="+value)
				}
				shell.Stderr = os.Stderr
				output, err := shell.Output()
				if err != nil {
					t.Errorf("%s: %v", line, err)
				}
				return strings.TrimSpace(string(output))
			}
			// What the examples take for granted: a login, a function and its id, a token and its id.
			if err := os.MkdirAll(variables["CAPE_LOCAL_CONFIG_DIR"], 0o700); err != nil {
				t.Fatal(err)
			}
			saved := `{"access_token":"` + master() + `"}`
			if err := os.WriteFile(variables["CAPE_LOCAL_CONFIG_DIR"]+"/auth", []byte(saved), 0o600); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(examples, "$FUNCTION") || name == "run" {
				deployed := strings.Fields(sh("cape deploy echo --policy enclave.json"))
				variables["FUNCTION"] = deployed[1]
				sh("cape deploy " + absolute(t, "tests/functions/pythagorean") + " --policy enclave.json")
			}
			if strings.Contains(examples, "$ID") {
				sh("cape token create --name other")
				listed := strings.Fields(sh("cape token list -o json"))
				variables["ID"] = strings.Trim(listed[slices.Index(listed, `"id":`)+1], `",`)
			}
			if name == "verify" {
				prepareDocument(t, folder, variables)
			}
			tokens := issuer()
			defer tokens.Close()
			joined := strings.ReplaceAll(examples, "\\\n", " ")
			for line := range strings.Lines(joined) {
				line = strings.TrimSpace(line)
				for old, current := range map[string]string{
					"ws://127.0.0.1:8765": variables["URL"], "wss://enclave.example.com": variables["URL"],
					"local/": user + "/", "user/name": user + "/echo", "https://issuer.example.com": tokens.URL,
				} {
					line = strings.ReplaceAll(line, old, current)
				}
				if strings.HasPrefix(line, "cape function create") {
					_ = os.RemoveAll(folder + "/echo")
				}
				switch {
				case name == "enclave" && line != "":
					serves(t, folder, line, variables)
				case name == "verify" && line != "":
					sh(line + " --root root.pem") // in place of the AWS Nitro root
				case line != "":
					sh(line)
				}
			}
		})
	}
}

// prepareDocument gives the files of a document that the enclave signed, and its nonce.
func prepareDocument(t *testing.T, folder string, variables map[string]string) {
	t.Helper()
	response, err := http.Get(strings.Replace(variables["URL"], "ws:", "http:", 1) + "/v1/user/" + user + "/key")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	document, err := wire.DecodeUserKey(body)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(filepath.Join(folder, "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots, err := attest.ParseRoots(pem)
	if err != nil {
		t.Fatal(err)
	}
	verified, _, err := attest.Verify(document, attest.Options{Roots: roots, Policy: &attest.Policy{Any: true}})
	if err != nil {
		t.Fatal(err)
	}
	variables["NONCE"] = hex.EncodeToString(verified.Nonce)
	policy, err := os.ReadFile(filepath.Join(folder, "enclave.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"document.bin": document, "archived.b64": []byte(base64.StdEncoding.EncodeToString(document)), "policy.json": policy,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// serves runs an example that does not end by itself, until it says that it is ready.
func serves(t *testing.T, folder, line string, variables map[string]string) {
	t.Helper()
	for link, to := range map[string]string{"venv": "build/venv", "pythagorean": "tests/functions/pythagorean"} {
		if err := os.Symlink(absolute(t, to), filepath.Join(folder, link)); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	line = strings.ReplaceAll(line, "127.0.0.1:8765", "127.0.0.1:0")
	shell := exec.CommandContext(ctx, "sh", "-c", "exec "+line)
	shell.Dir, shell.Stderr = folder, os.Stderr
	shell.Env = append(os.Environ(), "PATH="+variables["PATH"])
	output, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	if ready, err := bufio.NewReader(output).ReadString('\n'); err != nil || !strings.Contains(ready, `"attestation_root"`) {
		t.Errorf("%s says %q, %v", line, ready, err)
	}
	_ = shell.Process.Signal(syscall.SIGTERM)
	if err := shell.Wait(); err != nil {
		t.Errorf("%s: %v", line, err)
	}
}

func help(t *testing.T, command []string) string {
	t.Helper()
	output, err := exec.Command(absolute(t, "build/cape"), append(command, "--help")...).Output()
	if err != nil {
		t.Fatalf("%q: %v", command, err)
	}
	return string(output)
}

// section gives what follows a title, up to an empty line.
func section(text, title string) string {
	_, rest, _ := strings.Cut(text, title)
	rest, _, _ = strings.Cut(rest, "\n\n")
	return rest
}

// commands gives the words of every command below one, and of those below these.
func commands(t *testing.T, above []string) [][]string {
	t.Helper()
	var all [][]string
	for line := range strings.Lines(section(help(t, above), "Available Commands:\n")) {
		name := strings.Fields(line)[0]
		if name == "help" {
			continue
		}
		words := append(append([]string{}, above...), name)
		all = append(append(all, words), commands(t, words)...)
	}
	return all
}

func TestEachCommandsHelpTellsTheExitStatus(t *testing.T) {
	t.Parallel()
	for _, command := range append(commands(t, nil), nil) {
		if text := help(t, command); !strings.Contains(text, "Exit status: 0") {
			t.Errorf("cape %s: %s", strings.Join(command, " "), text)
		}
	}
}
