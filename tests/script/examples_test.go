package script

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// elsewhere are the commands whose examples need something else than the rest, or do not end.
var elsewhere = map[string]string{
	"enclave": "tests/cli starts it",
	"verify":  "tests/cli has documents for it",
	"login":   "it needs somebody who agrees",
}

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
			if why, is := elsewhere[name]; is {
				t.Skip(why)
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
				variables["ID"] = "token1"
			}
			joined := strings.ReplaceAll(examples, "\\\n", " ")
			for line := range strings.Lines(joined) {
				line = strings.TrimSpace(line)
				for old, current := range map[string]string{
					"ws://127.0.0.1:8765": variables["URL"], "wss://enclave.example.com": variables["URL"],
					"local/": user + "/", "user/name": user + "/echo",
				} {
					line = strings.ReplaceAll(line, old, current)
				}
				if strings.HasPrefix(line, "cape function create") {
					_ = os.RemoveAll(folder + "/echo")
				}
				if line != "" {
					sh(line)
				}
			}
		})
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
