// Package suite compiles and runs the C and C++ programs of tests/c and tests/cpp against the
// library that `make build` left. (They cannot stand in one folder with Go files.)
package suite

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/tests/abi/built"
)

var (
	warnings   = []string{"-Wall", "-Wextra", "-Werror"}
	sanitizers = []string{"-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g"}
)

// program is the path of a compiled test program.
type program string

// compile builds a program from sources, paths within the repository.
func compile(t *testing.T, flags []string, sources ...string) program {
	t.Helper()
	folder := t.TempDir()
	compiler, standard := "cc", "-std=c11"
	if filepath.Ext(sources[0]) == ".cpp" {
		compiler, standard = "c++", "-std=c++17"
	}
	path := filepath.Join(folder, "program")
	arguments := append([]string{standard, "-O1", "-I" + built.Path("include"), "-o", path}, warnings...)
	for _, source := range sources {
		arguments = append(arguments, built.Path(source))
	}
	run(t, exec.Command(compiler, append(arguments, flags...)...))
	return program(path)
}

// linked builds a program with the library, which it will find under its SONAME.
func linked(t *testing.T, flags []string, sources ...string) program {
	t.Helper()
	library, folder := built.Library(t), t.TempDir()
	for _, name := range []string{"libcape.so", "libcape.so.1"} {
		if err := os.Symlink(library, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	return compile(t, append([]string{"-L" + folder, "-lcape", "-Wl,-rpath," + folder, "-pthread"}, flags...), sources...)
}

// run gives what a program prints, and fails the test unless it ends well and soon.
func (p program) run(t *testing.T, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return run(t, exec.CommandContext(ctx, string(p), arguments...))
}

func run(t *testing.T, command *exec.Cmd) string {
	t.Helper()
	var output, complaints bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaints
	if err := command.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", command, err, output.Bytes(), complaints.Bytes())
	}
	if complaints.Len() > 0 {
		t.Errorf("%s wrote to standard error: %s", command, complaints.Bytes())
	}
	return output.String()
}

func functions(name ...string) string {
	return built.Path(append([]string{"tests", "functions"}, name...)...)
}

// ownFunctions is a folder with echo and functions that misbehave.
func ownFunctions(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for name, source := range map[string]string{
		"echo": "def cape_handler(data):\n    return data\n",
		"noisy": "import sys\n\n\ndef cape_handler(data):\n    print('printed by noisy')\n" +
			"    print('and here', file=sys.stderr)\n    raise ValueError('no\\ntwo lines')\n",
		"exits": "import os\n\n\ndef cape_handler(data):\n    os._exit(3)\n",
	} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name, "app.py"), []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// smoke runs one of the programs that take an interpreter and a folder of functions.
func smoke(t *testing.T, source string) {
	t.Helper()
	t.Parallel()
	if output := linked(t, nil, source).run(t, built.Python(t), ownFunctions(t)); output != "" {
		t.Errorf("standard output is not the library's to write to: %s", output)
	}
}

func TestEveryFunctionRefusesMisuse(t *testing.T)           { smoke(t, "tests/c/misuse.c") }
func TestEveryFaultOfAServerIsATypedError(t *testing.T)     { smoke(t, "tests/c/faults.c") }
func TestPayloadsOfEverySizeComeBack(t *testing.T)          { smoke(t, "tests/c/payload.c") }
func TestAForkedChildIsToldSo(t *testing.T)                 { smoke(t, "tests/c/fork.c") }
func TestThreadsShareAConnection(t *testing.T)              { smoke(t, "tests/c/threads.c") }
func TestItWorksWithoutStandardStreams(t *testing.T)        { smoke(t, "tests/c/descriptors.c") }
func TestALocalEnclaveTakesItsOptions(t *testing.T)         { smoke(t, "tests/c/local_options.c") }
func TestCallsFromOtherStacksAskForBoundsOnce(t *testing.T) { smoke(t, "tests/c/other_stack.c") }

func TestEveryFailingAllocationIsAnError(t *testing.T) {
	t.Parallel()
	linked(t, nil, "tests/c/memory.c").run(t, built.Python(t), ownFunctions(t), built.Path("tests", "vectors", "attest"))
}

func TestForksAreSeenWithoutWipeOnFork(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{
		"no page":           {"-Dmadvise=refuse"},
		"no memory":         {"-Dmmap=no_memory"},
		"process ids alone": {"-Dmadvise=refuse", "-Dpthread_atfork=unheard"},
		"atfork alone":      {"-Dmadvise=refuse", "-Dgetpid=first_process"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compile(t, flags, "tests/c/fork_fallback.c", "export/fork.c").run(t)
		})
	}
}

func TestCachedStackBoundsAreTheTrueOnes(t *testing.T) {
	t.Parallel()
	compile(t, []string{"-pthread"}, "tests/c/stack.c", "export/stack.c").run(t)
}

func TestTheCHalfCompilesWithoutWarnings(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Glob(built.Path("export", "*.c"))
	if err != nil || len(sources) == 0 {
		t.Fatal(err, sources)
	}
	for _, source := range sources {
		run(t, exec.Command("cc", append([]string{"-std=gnu11", "-O2", "-fsyntax-only", source}, warnings...)...))
	}
}

// examples are the programs that a user reads first.
var examples = map[string]struct{ source, label string }{
	"C":   {"tests/c/example.c", "c"},
	"C++": {"tests/cpp/example.cpp", "c++"},
}

func TestExamplesCallALocalEnclave(t *testing.T) {
	t.Parallel()
	for name, example := range examples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			output := linked(t, nil, example.source).run(t, built.Python(t), functions("echo"), functions("pythagorean"))
			for _, want := range []string{"pythagorean(3, 4) = 5\n", "echo(hello) = hello\n"} {
				if !strings.Contains(output, want) {
					t.Errorf("the output lacks %q:\n%s", want, output)
				}
			}
		})
	}
}
