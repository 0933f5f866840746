// Package suite compiles and runs the programs of tests/cpp that try cape.hpp, against the library
// that `make build` left. (They cannot stand in one folder with Go files.)
package suite

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/include"
	"github.com/libcape/libcape/tests/abi/built"
)

var (
	// What careful programs compile with: their warnings are errors in our header too.
	warnings = []string{"-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow",
		"-Wold-style-cast", "-Wuseless-cast", "-Wnon-virtual-dtor", "-Werror"}
	sanitizers = []string{"-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g"}
	programs   = []string{"owners.cpp", "operations.cpp", "queue.cpp", "requests.cpp"}
)

func compiler() string {
	if chosen := os.Getenv("CXX"); chosen != "" {
		return chosen
	}
	return "c++"
}

// run gives what a command prints, and fails the test unless it ends well and soon.
func run(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, arguments...)
	var output, complaints bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaints
	if err := command.Run(); err != nil || complaints.Len() > 0 {
		t.Fatalf("%s: %v\n%s%s", command, err, output.Bytes(), complaints.Bytes())
	}
	return output.String()
}

// compile builds a program of tests/cpp. It has a second source with the same header, since what
// is defined there must be fit for more than one.
func compile(t *testing.T, source, standard string, flags []string) string {
	t.Helper()
	folder, library := t.TempDir(), built.Library(t)
	for _, name := range []string{"libcape.so", "libcape.so.1"} {
		if err := os.Symlink(library, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	second, program := filepath.Join(folder, "second.cpp"), filepath.Join(folder, "program")
	if err := os.WriteFile(second, []byte("#include <cape.hpp>\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	arguments := slices.Concat([]string{"-std=" + standard, "-pthread"}, warnings, flags,
		[]string{"-I" + built.Path("include"), "-o", program, built.Path("tests", "cpp", source), second,
			"-L" + folder, "-lcape", "-Wl,-rpath," + folder})
	run(t, compiler(), arguments...)
	return program
}

// functions is a folder with the echo function.
func functions() string { return built.Path("tests", "functions") }

func TestOwnersOfCapeHppKeepTheirWord(t *testing.T) {
	t.Parallel()
	for _, source := range programs {
		for name, variant := range map[string]struct {
			standard string
			flags    []string
		}{"17": {"c++17", nil}, "20 sanitized": {"c++20", sanitizers}} {
			t.Run(source+" "+name, func(t *testing.T) {
				t.Parallel()
				if output := run(t, compile(t, source, variant.standard, variant.flags), built.Python(t), functions()); output != "" {
					t.Errorf("standard output is not the library's to write to: %s", output)
				}
			})
		}
	}
}

func TestNoProgramIsForgotten(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Glob(built.Path("tests", "cpp", "*.cpp"))
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		if name := filepath.Base(source); name != "example.cpp" && !slices.Contains(programs, name) {
			t.Errorf("no test runs %s", name)
		}
	}
}

func TestCapeHppHasEveryFunctionOfTheHeader(t *testing.T) {
	t.Parallel()
	header, err := os.ReadFile(built.Path("include", "cape.hpp"))
	if err != nil {
		t.Fatal(err)
	}
	for _, declared := range regexp.MustCompile(`(?m)^CAPE_API int32_t (cape_[a-z_]+)\(`).FindAllStringSubmatch(include.Header, -1) {
		if !strings.Contains(string(header), declared[1]+"(") {
			t.Errorf("cape.hpp has no way to call %s", declared[1])
		}
	}
}

// refused are lines that must not compile.
var refused = map[string]string{
	"a connection is not copied":            "cape::Connection a; cape::Connection b(a);",
	"an operation is not copied":            "cape::Operation a, b; a = b;",
	"a queue is not copied":                 "cape::Queue a; cape::Queue b = a;",
	"options are not bytes of a connection": "cape::Connection a = \"{}\";",
	"a length is needed for an array":       "unsigned char bytes[4] = {}; cape::Connection().invoke(bytes);",
	"numbers are not bytes":                 "cape::Connection().invoke(std::vector<int>{1});",
	"a timeout has a unit":                  "cape::Operation().wait_for(5);",
}

func TestMisuseOfOwnersDoesNotCompile(t *testing.T) {
	t.Parallel()
	try := func(t *testing.T, body string) error {
		source := filepath.Join(t.TempDir(), "source.cpp")
		text := "#include <cape.hpp>\nint main() { " + body + " }\n"
		if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return exec.Command(compiler(), "-std=c++17", "-fsyntax-only", "-I"+built.Path("include"), source).Run()
	}
	if err := try(t, "cape::Connection a; cape::Connection b(std::move(a)); cape::Operation().wait_for(std::chrono::seconds(5));"); err != nil {
		t.Fatalf("what is right does not compile: %v", err)
	}
	for name, body := range refused {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if try(t, body) == nil {
				t.Errorf("it compiles: %s", body)
			}
		})
	}
}
