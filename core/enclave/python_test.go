package enclave_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/libcape/libcape/core/enclave"
)

// folder returns options that serve a function of tests/functions.
func folder(t testing.TB, name string) enclave.Options {
	t.Helper()
	return enclave.Options{
		Functions: []enclave.Function{{Folder: filepath.Join("..", "..", "tests", "functions", name)}},
		Python:    interpreter(t),
	}
}

func TestPythonFunctionEchoesAnyBytes(t *testing.T) {
	t.Parallel()
	c := connect(t, start(t, folder(t, "echo")))
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, input := range [][]byte{{}, []byte("x"), every, bytes.Repeat(every, 4096)} {
		if output := c.call(input); !bytes.Equal(output, input) {
			t.Fatalf("%d bytes came back as %d others", len(input), len(output))
		}
	}
}

func TestPythonFunctionTakesTheLargestInput(t *testing.T) {
	t.Parallel()
	c := connect(t, start(t, folder(t, "echo")))
	input := bytes.Repeat([]byte{7}, 64<<20)
	if output := c.call(input); !bytes.Equal(output, input) {
		t.Fatal("64 MiB came back changed")
	}
}

func TestPythonResultsBecomeBytes(t *testing.T) {
	t.Parallel()
	c := connect(t, start(t, python(t, `
def cape_handler(data):
    return eval(data)
`)))
	for expression, output := range map[string]string{
		`b"\x00\xff"`: "\x00\xff", `bytearray(b"ab")`: "ab", `memoryview(b"abc")[::2]`: "ac",
		`"\u20ac"`: "\u20ac", `None`: "", `b""`: "", `""`: "", `0`: "0", `1.5`: "1.5", `True`: "True",
		`(1, "a")`: "(1, 'a')", `{"a": [1]}`: "{'a': [1]}",
	} {
		c.wantCall(expression, output)
	}
}

func TestPythonExceptionsAreErrorRepliesAndTheStateStays(t *testing.T) {
	t.Parallel()
	log, logger := newLog()
	o := python(t, `
calls = 0
class Odd(Exception):
    def __str__(self): raise RuntimeError("no text")
def cape_handler(data):
    global calls
    calls += 1
    exec(data)
    return str(calls)
`)
	o.Log = logger
	c := connect(t, start(t, o))
	for input, text := range map[string]string{
		`raise ValueError("no such thing")`: "ValueError: no such thing",
		`raise ValueError`:                  "ValueError",
		`{}["a"]`:                           "KeyError: 'a'",
		`raise Odd()`:                       "Odd: (its message cannot be shown)",
		`import sys; sys.exit()`:            "SystemExit: 0",
		`import sys; sys.exit(3)`:           "SystemExit: 3",
		`import sys; sys.exit("why")`:       "SystemExit: why",
		`raise KeyboardInterrupt`:           "KeyboardInterrupt",
		`raise ValueError("x" * 10**6)`:     "ValueError: xxx",
		`raise ValueError("\ud800")`:        "ValueError: ?",
		`(lambda f: f(f))(lambda f: f(f))`:  "RecursionError",
	} {
		c.wantError(input, text)
	}
	c.wantCall("pass", "12")
	log.want(t, "ValueError: no such thing")
	log.want(t, `line 8, in cape_handler`)
	if strings.Contains(log.String(), "in serve") {
		t.Error("tracebacks show the worker's own frames")
	}
}

func TestPythonStateLastsAsLongAsTheConnection(t *testing.T) {
	t.Parallel()
	e := start(t, folder(t, "counter"))
	one, other := connect(t, e), connect(t, e)
	one.wantCall("", "1 1")
	one.wantCall("", "2 2")
	other.wantCall("", "1 1")
	one.wantCall("", "3 3")
	connect(t, e).wantCall("", "1 1")
}

func TestPythonFunctionThatCannotBeLoadedSaysWhyAtEachCall(t *testing.T) {
	t.Parallel()
	for source, text := range map[string]string{
		"import no_such_module":       "app.py cannot be imported: ModuleNotFoundError: No module named 'no_such_module'",
		"def cape_handler(:":          "app.py cannot be imported: SyntaxError",
		"raise ValueError('at once')": "app.py cannot be imported: ValueError: at once",
		"import sys; sys.exit(4)":     "app.py cannot be imported: SystemExit: 4",
		"def handler(x): return x":    "app.py has no cape_handler",
		"cape_handler = 3":            "cape_handler of app.py cannot be called",

		"async def cape_handler(x): return x": "cape_handler of app.py is a coroutine or a generator",
		"def cape_handler(x): yield x":        "cape_handler of app.py is a coroutine or a generator",
	} {
		c := connect(t, start(t, python(t, source)))
		c.wantError("x", text)
		c.wantError("x", text)
	}
}

func TestPythonFunctionThatDiesWhileItLoadsIsTriedAtEachCall(t *testing.T) {
	t.Parallel()
	c := connect(t, start(t, python(t, "import os; os._exit(5)")))
	c.wantError("x", "the function's process ended: exit status 5")
	c.wantError("x", "the function's process ended: exit status 5")
}

func TestPythonFunctionRunsInACopyOfItsFolder(t *testing.T) {
	t.Parallel()
	o := python(t, `
import os, sys
import helper, json
def cape_handler(data):
    here = os.getcwd()
    assert os.path.samefile(here, os.path.dirname(os.path.abspath(__file__)))
    assert open("data/table.txt").read() == "1 2 3"
    assert helper.VALUE == "helper of the function" and json.VALUE == "json of the function"
    os.chdir("/")
    import late
    with open(os.path.join(here, "app.py"), "w") as file:
        file.write("changed")
    return here + "\n" + os.environ["HOME"] + "\n" + os.environ["TMPDIR"]
`)
	source := o.Functions[0].Folder
	write(t, filepath.Join(source, "helper.py"), `VALUE = "helper of the function"`)
	write(t, filepath.Join(source, "json.py"), `VALUE = "json of the function"`)
	write(t, filepath.Join(source, "late.py"), "")
	for _, name := range []string{"struct", "signal", "traceback", "io", "socket", "typing", "linecache"} {
		write(t, filepath.Join(source, name+".py"), `raise RuntimeError("imported by the worker")`)
	}
	write(t, filepath.Join(source, "data", "table.txt"), "1 2 3")
	before := listing(t, source)
	o.Scratch = t.TempDir()
	e := start(t, o)
	c := connect(t, e)
	for _, path := range strings.Split(string(c.call(nil)), "\n") {
		if !strings.HasPrefix(path, o.Scratch) {
			t.Errorf("%s is not in the scratch folder", path)
		}
	}
	if after := listing(t, source); !slices.Equal(before, after) {
		t.Errorf("running the function changed its folder from %v to %v", before, after)
	}
}

func listing(t *testing.T, folder string) []string {
	t.Helper()
	var entries []string
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		entries = append(entries, path+": "+string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestPythonFunctionRunsWhatWasMeasured(t *testing.T) {
	t.Parallel()
	o := python(t, "def cape_handler(data): return 'measured'")
	e := start(t, o)
	write(t, filepath.Join(o.Functions[0].Folder, "app.py"), "def cape_handler(data): return 'changed'")
	connect(t, e).wantCall("", "measured")
}

func TestPythonFunctionSeesNothingOfTheHost(t *testing.T) {
	t.Setenv("CAPE_TEST_HOST_SECRET", "s")
	o := python(t, `
import os, signal, sys
def cape_handler(data):
    assert sys.stdin.read() == "" and os.getpgrp() == os.getpid()
    assert sys.argv[0].endswith("app.py") and len(sys.argv) == 1
    return " ".join(sorted(os.environ))
`)
	names := strings.Fields(string(connect(t, start(t, o)).call(nil)))
	allowed := []string{"HOME", "LANG", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONUSERBASE", "TMPDIR",
		"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
		"LC_CTYPE", "__CF_USER_TEXT_ENCODING"} // what Python and macOS add themselves
	for _, name := range names {
		if !slices.Contains(allowed, name) {
			t.Errorf("the function sees the variable %s", name)
		}
	}
	if !slices.Contains(names, "HOME") {
		t.Errorf("the function sees only %v", names)
	}
}

func TestPythonOfAVirtualEnvironmentFindsItsPackages(t *testing.T) {
	t.Parallel()
	venv := filepath.Join(t.TempDir(), "venv")
	if output, err := exec.Command(interpreter(t), "-m", "venv", "--without-pip", venv).CombinedOutput(); err != nil {
		t.Skipf("needs a Python with venv: %v: %s", err, output)
	}
	packages, err := filepath.Glob(filepath.Join(venv, "lib", "python*", "site-packages"))
	if err != nil || len(packages) != 1 {
		t.Fatalf("the packages are in %v, %v", packages, err)
	}
	write(t, filepath.Join(packages[0], "only_in_venv.py"), "VALUE = 'found'")
	o := python(t, "import only_in_venv\ndef cape_handler(data): return only_in_venv.VALUE")
	o.Python = filepath.Join(venv, "bin", "python")
	connect(t, start(t, o)).wantCall("", "found")
}

func TestPythonPrintsGoToTheLogLineByLine(t *testing.T) {
	t.Parallel()
	log, logger := newLog()
	o := python(t, `
import sys
def cape_handler(data):
    print("to standard output", data.decode())
    print("to standard error", file=sys.stderr)
    sys.stdout.buffer.write(b"not \xff text\n")
    return b"clean"
`)
	o.Log = logger
	connect(t, start(t, o)).wantCall("7", "clean")
	log.want(t, `line="to standard output 7"`)
	log.want(t, `line="to standard error"`)
	log.want(t, "line=\"not \uFFFD text\"")
}

func TestPythonFunctionMayUseProcessesAndThreads(t *testing.T) {
	t.Parallel()
	c := connect(t, start(t, python(t, `
import subprocess, sys, threading
def cape_handler(data):
    results = []
    thread = threading.Thread(target=results.append, args=("thread",))
    thread.start()
    thread.join()
    results.append(subprocess.run([sys.executable, "-c", "print('child')"], capture_output=True, text=True, check=True).stdout.strip())
    return " ".join(results)
`)))
	c.wantCall("", "thread child")
}
