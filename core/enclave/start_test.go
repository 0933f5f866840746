package enclave_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/enclave/sandbox"
	"github.com/libcape/libcape/core/wire"
)

func TestStartSaysWhatIsWrongWithItsOptions(t *testing.T) {
	t.Parallel()
	python := interpreter(t)
	folder := func(files ...string) string {
		at := filepath.Join(t.TempDir(), "function")
		if err := os.Mkdir(at, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			write(t, filepath.Join(at, file), "")
		}
		return at
	}
	good := folder("app.py")
	linked := folder("app.py")
	if err := os.Symlink(filepath.Join(good, "app.py"), filepath.Join(linked, "link.py")); err != nil {
		t.Fatal(err)
	}
	twice := []enclave.Function{{Name: "a", Handler: echo}, {Name: "a", Handler: echo}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	serving := func(f enclave.Function) enclave.Options {
		return enclave.Options{Functions: []enclave.Function{f}, Python: python}
	}
	cases := []struct {
		what    string
		options enclave.Options
		reason  string
		text    string
	}{
		{"no such folder", serving(enclave.Function{Folder: "/no/such/folder"}), "argument.functions", "/no/such/folder"},
		{"a file", serving(enclave.Function{Folder: filepath.Join(good, "app.py")}), "argument.functions", "app.py"},
		{"no app.py", serving(enclave.Function{Folder: folder("main.py")}), "argument.functions", "has no app.py"},
		{"an empty folder", serving(enclave.Function{Folder: folder()}), "argument.functions", "has no app.py"},
		{"app.py is a folder", serving(enclave.Function{Folder: folder("app.py/x")}), "argument.functions", "app.py is no file"},
		{"a link out of the folder", serving(enclave.Function{Folder: linked}), "argument.functions", "link.py"},
		{"neither folder nor handler", serving(enclave.Function{Name: "a"}), "argument.functions", "a folder or a handler"},
		{"both", serving(enclave.Function{Name: "a", Folder: good, Handler: echo}), "argument.functions", "a folder or a handler"},
		{"a handler without a name", serving(enclave.Function{Handler: echo}), "argument.functions", "named"},
		{"a bad name", serving(enclave.Function{Name: "a/b", Handler: echo}), "argument.functions", "named"},
		{"a name of dots", serving(enclave.Function{Name: "..", Handler: echo}), "argument.functions", "named"},
		{"a long name", serving(enclave.Function{Name: strings.Repeat("a", 65), Handler: echo}), "argument.functions", "named"},
		{"two of a name", enclave.Options{Functions: twice}, "argument.functions", "two functions"},
		{"no Python", enclave.Options{Functions: []enclave.Function{{Folder: good}}}, "argument.python", "need a Python"},
		{"a relative Python", enclave.Options{Functions: []enclave.Function{{Folder: good}}, Python: "python3"}, "argument.python", "absolute"},
		{"a missing Python", enclave.Options{Functions: []enclave.Function{{Folder: good}}, Python: "/no/such/python"}, "argument.python", "/no/such/python"},
		{"another program", enclave.Options{Functions: []enclave.Function{{Folder: good}}, Python: "/bin/true"}, "argument.python", "does not run as a Python"},
		{"an unknown fault", enclave.Options{Faults: []enclave.Fault{"odd"}}, "argument.fault", "cape.h"},
		{"no port", enclave.Options{Listen: "127.0.0.1"}, "argument.listen", "host:port"},
		{"a taken port", enclave.Options{Listen: listener.Addr().String()}, "argument.listen", "cannot listen"},
		{"a foreign address", enclave.Options{Listen: "192.0.2.1:0"}, "argument.listen", "cannot listen"},
		{"a negative time", enclave.Options{IdleTimeout: -1}, "argument.options", "negative"},
		{"memory for no input", enclave.Options{Limits: sandbox.Limits{Memory: 5}}, "argument.options", "5 bytes of memory is too little for a function with inputs of up to 64MiB: give 256MiB or more"},
		{"a negative size", enclave.Options{MaxInput: -1}, "argument.options", "largest input"},
		{"no scratch folder", enclave.Options{Functions: []enclave.Function{{Folder: good}}, Python: python, Scratch: "/no/such"}, "argument.options", "/no/such"},
	}
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			e, err := enclave.Start(c.options)
			if err == nil {
				_ = e.Close()
			}
			wantReason(t, err, c.reason)
			if text := err.Error(); !strings.Contains(text, c.text) || strings.Contains(text, "\n") || strings.HasSuffix(text, ".") {
				t.Errorf("the error is %q, want one line with %q", text, c.text)
			}
		})
	}
}

func TestAnOldPythonIsRefusedByItsVersion(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("needs /bin/sh")
	}
	old := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(old, []byte("#!/bin/sh\nprintf 'cape\\n2.7\\n/usr/bin/python2\\n\\n.'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	o := python(t, "")
	o.Python = old
	_, err := enclave.Start(o)
	wantReason(t, err, "argument.python")
	if !strings.Contains(err.Error(), "2.7") {
		t.Errorf("the error is %q", err)
	}
}

func TestAFailedStartLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	o := python(t, "")
	o.Scratch = t.TempDir()
	o.Functions = append(o.Functions, enclave.Function{Folder: t.TempDir()})
	if _, err := enclave.Start(o); err == nil {
		t.Fatal("it starts")
	}
	wantEmpty(t, o.Scratch)
}

func TestAFunctionIsMeasuredByItsZip(t *testing.T) {
	t.Parallel()
	o := python(t, "def cape_handler(data): return data")
	at := o.Functions[0].Folder
	root, err := os.OpenRoot(at)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var archive bytes.Buffer
	if err := wire.WriteFunctionZip(&archive, root.FS(), "function"); err != nil {
		t.Fatal(err)
	}
	checksum := sha256.Sum256(archive.Bytes())
	first := start(t, o).Info().Functions[0]
	if first.Checksum != hex.EncodeToString(checksum[:]) {
		t.Errorf("the checksum is %s, want %x", first.Checksum, checksum)
	}
	if first.Name != "local/function" || !regexp.MustCompile(`^[23456789A-HJ-NP-Za-km-z]{22}$`).MatchString(first.ID) {
		t.Errorf("the function is %+v", first)
	}
	if again := start(t, o).Info().Functions[0]; again != first {
		t.Errorf("another start gives %+v", again)
	}
	o.Functions[0].Name = "other"
	if named := start(t, o).Info().Functions[0]; named.ID == first.ID || named.Checksum != first.Checksum || named.Name != "local/other" {
		t.Errorf("under another name it is %+v", named)
	}
	write(t, filepath.Join(at, "app.py"), "def cape_handler(data): return None")
	o.Functions[0].Name = ""
	if changed := start(t, o).Info().Functions[0]; changed.ID == first.ID || changed.Checksum == first.Checksum {
		t.Errorf("with other content it is %+v", changed)
	}
}

func TestInfoIsACopy(t *testing.T) {
	t.Parallel()
	e := echoEnclave(t)
	info := e.Info()
	info.Functions[0].Name = "changed"
	info.PCRs[0][0] ^= 1
	info.AttestationRoot[0] ^= 1
	if again := e.Info(); again.Functions[0].Name != "local/echo" || again.PCRs[0][0] == info.PCRs[0][0] || again.AttestationRoot[0] == info.AttestationRoot[0] {
		t.Error("the enclave's own was changed")
	}
}

func TestAnEnclaveWithoutFunctionsServesErrors(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{})
	_, err := dialError(e.Info(), "/v1/run/local/echo", "cape.runtime")
	wantTransport(t, err, "connect.function")
}

func TestCloseEndsSessionsAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	defer close(stuck)
	e, err := enclave.Start(enclave.Options{Functions: []enclave.Function{{
		Name: "f", Handler: func(context.Context, []byte) ([]byte, error) { <-stuck; return nil, nil },
	}}})
	if err != nil {
		t.Fatal(err)
	}
	idle, busy := connect(t, e), connect(t, e)
	busy.request(nil)
	wantPrompt(t, func() {
		for range 2 {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	idle.wantGone("closed.lost", "closed.peer")
	busy.wantGone("closed.lost", "closed.peer")
	_, err = dialError(e.Info(), "/v1/run/local/f", "cape.runtime")
	wantTransport(t, err, "connect.refused")
}
