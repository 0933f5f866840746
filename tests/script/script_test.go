// Package script tries the cape command in scripts, as in a shell, against an enclave with a
// service of one user.
package script

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rogpeppe/go-internal/testscript"
)

const root = "../.."

func absolute(t testing.TB, path string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// prepare starts an enclave for one script, and puts what leads to it into its environment and
// its folder: root.pem, enclave.json (a policy), and a function in the folder echo.
func prepare(t testing.TB, folder string, later func(func())) map[string]string {
	t.Helper()
	info := startService(t, folder, later)
	pcr := hex.EncodeToString(info.PCRs[0])
	for name, content := range map[string]string{
		"root.pem":     string(info.AttestationRoot),
		"enclave.json": fmt.Sprintf(`{"pcrs": {"0": [%q]}}`, pcr),
		"echo/app.py":  "def cape_handler(input):\n    return input\n",
		"input.bin":    "from a file",
		"input":        "from a file",
		"secret.bin":   "a secret",
	} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return map[string]string{
		"URL": info.URL, "PCR0": pcr, "PCR2": hex.EncodeToString(info.PCRs[2]), "WRONG": strings.Repeat("5a", 48),
		"TOKEN": master(), "OTHER_TOKEN": accessToken("bob"), "USERNAME": user,
		"SUBJECT_TOKEN": signed(jwt.MapClaims{"sub": user}), "ENDLESS_TOKEN": endless(jwt.MapClaims{"sub": user}),
		"NAMELESS_TOKEN": signed(jwt.MapClaims{"sub": "auth|" + user}),
		"HOME":           filepath.Join(folder, "home"), "CAPE_LOCAL_CONFIG_DIR": filepath.Join(folder, "home", "cape"),
		"PATH": absolute(t, "build") + string(os.PathListSeparator) + os.Getenv("PATH"),
	}
}

func TestScripts(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(absolute(t, "build/cape")); err != nil {
		t.Fatalf("%v: run make build bindings first", err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			for name, value := range prepare(t, e.WorkDir, e.Defer) {
				e.Setenv(name, value)
			}
			tokens := issuer()
			e.Defer(tokens.Close)
			e.Setenv("ISSUER", tokens.URL)
			return nil
		},
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"set": set, "zeroes": zeroes},
		RequireExplicitExec: true,
	})
}

// set keeps what the last command printed, or with a word the field after it, in a variable.
func set(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: set VARIABLE [WORD]")
	}
	output := strings.TrimSpace(ts.ReadFile("stdout"))
	if len(args) == 2 {
		fields := strings.Fields(output)
		for i, field := range fields {
			if field == args[1] && i+1 < len(fields) {
				ts.Setenv(args[0], fields[i+1])
				return
			}
		}
		ts.Fatalf("%q is not in %q", args[1], output)
	}
	ts.Setenv(args[0], output)
}

// zeroes makes a file of a size, without its bytes taking any room.
func zeroes(ts *testscript.TestScript, _ bool, args []string) {
	var size int64
	if _, err := fmt.Sscan(args[1], &size); err != nil {
		ts.Fatalf("%v", err)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), nil, 0o600))
	ts.Check(os.Truncate(ts.MkAbs(args[0]), size))
}
