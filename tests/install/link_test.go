package install

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/libcape/libcape/tests/abi/built"
)

// needs skips a test whose program is not on this machine.
func needs(t *testing.T, program, pkg string) {
	t.Helper()
	if _, err := attempt(".", "which", program); err != nil {
		t.Skipf("it needs %s (Debian: %s)", program, pkg)
	}
}

// readme returns the code blocks of a language in the README.
func readme(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile(built.Path("README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, match := range regexp.MustCompile("(?ms)^```"+regexp.QuoteMeta(language)+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, match[1])
	}
	return blocks
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// programs writes the README's first examples, as program.c and program.cpp.
func programs(t *testing.T, folder string) {
	t.Helper()
	for language, name := range map[string]string{"c": "program.c", "cpp": "program.cpp"} {
		blocks := readme(t, language)
		if len(blocks) == 0 {
			t.Fatalf("the README has no example in %s", language)
		}
		write(t, folder, name, blocks[0])
	}
}

// answers checks that a program of the README runs with the library that was installed: without
// options, it says what is wrong with them.
func answers(t *testing.T, p tree, program string) {
	t.Helper()
	output, err := attempt(".", "LD_LIBRARY_PATH="+p.lib(), program)
	if err == nil || !strings.Contains(output, "options") {
		t.Errorf("%s: %v: %s", program, err, output)
	}
	if runtime.GOOS == "linux" {
		mapped := run(t, ".", "LD_LIBRARY_PATH="+p.lib(), "ldd", program)
		if !strings.Contains(mapped, p.lib("libcape.so."+major(t))) {
			t.Errorf("%s runs with another library:\n%s", program, mapped)
		}
	}
}

// calls compiles one of the longer examples and has it call a local enclave.
func calls(t *testing.T, p tree, compiler, source, flags string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	run(t, ".", "sh", "-c", compiler+" '"+built.Path(source)+"' "+flags+" -o "+program)
	output := run(t, ".", "LD_LIBRARY_PATH="+p.lib(), program, built.Python(t), built.Path("tests/functions/echo"), built.Path("tests/functions/pythagorean"))
	if !strings.Contains(output, "pythagorean(3, 4) = 5\n") {
		t.Errorf("%s: %s", source, output)
	}
}

func TestAProgramFindsItByPkgConfig(t *testing.T) {
	t.Parallel()
	needs(t, "pkg-config", "pkg-config")
	lines := regexp.MustCompile(`(?m)^(?:cc|c\+\+) .*\bpkg-config\b.*$`).FindAllString(strings.Join(readme(t, "sh"), ""), -1)
	if len(lines) != 2 {
		t.Fatalf("the README shows pkg-config with %q, not with cc and c++", lines)
	}
	for name, install := range map[string]func(*testing.T) tree{"staged": staged, "direct": direct} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := install(t)
			settings := []string{"PKG_CONFIG_PATH=" + p.lib("pkgconfig"), "PKG_CONFIG_SYSROOT_DIR=" + p.stage}
			query := func(arguments ...string) (string, error) {
				return attempt(".", append(append(settings, "pkg-config"), arguments...)...)
			}
			if got, err := query("--modversion", "cape"); err != nil || got != version(t)+"\n" {
				t.Errorf("version %q (%v)", got, err)
			}
			if got, err := query("cape >= 2"); err == nil {
				t.Errorf("it passes for version 2: %s", got)
			}
			if got, err := query("--validate", "cape"); err != nil || got != "" {
				t.Errorf("%v: %s", err, got)
			}
			moved, err := attempt(".", settings[0], "pkg-config", "--define-variable=prefix=/moved", "--cflags", "--libs", "cape")
			if want := "-I/moved/include -L/moved" + strings.TrimPrefix(p.libdir, p.prefix) + " -lcape"; err != nil || strings.TrimSpace(moved) != want {
				t.Errorf("moved, its flags are %q (%v), want %q", moved, err, want)
			}
			folder := t.TempDir()
			programs(t, folder)
			for _, line := range lines {
				run(t, folder, append(settings, "sh", "-c", line)...)
				answers(t, p, filepath.Join(folder, "program"))
			}
			flags, err := query("--cflags", "--libs", "cape")
			if err != nil {
				t.Fatal(flags, err)
			}
			flags = strings.TrimSpace(flags)
			calls(t, p, "cc -std=c11", "tests/c/example.c", flags)
			calls(t, p, "c++ -std=c++17", "tests/cpp/example.cpp", flags)
		})
	}
}

func TestACMakeProjectFindsIt(t *testing.T) {
	t.Parallel()
	needs(t, "cmake", "cmake")
	blocks := readme(t, "cmake")
	if len(blocks) != 1 || !strings.Contains(blocks[0], "find_package(cape 1.0 REQUIRED)") {
		t.Fatalf("the README shows CMake in %q", blocks)
	}
	for name, install := range map[string]func(*testing.T) tree{"staged": staged, "direct": direct} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := install(t)
			// It has to work from wherever it is moved to.
			moved := filepath.Join(t.TempDir(), "moved")
			if err := os.Rename(p.path(), moved); err != nil {
				t.Fatal(err)
			}
			p.libdir = strings.Replace(p.libdir, p.prefix, moved, 1)
			p.stage, p.prefix = "", moved
			folder := t.TempDir()
			programs(t, folder)
			write(t, folder, "CMakeLists.txt", blocks[0])
			prefix := "-DCMAKE_PREFIX_PATH=" + moved
			if p.libdir != moved+"/lib" {
				prefix = "-Dcape_DIR=" + p.lib("cmake", "cape") // CMake knows lib/<triplet>, not our name
			}
			run(t, folder, "cmake", "-S", ".", "-B", "out", prefix, "-DCMAKE_COMPILE_WARNING_AS_ERROR=ON")
			run(t, folder, "cmake", "--build", "out")
			for _, program := range []string{"program", "program-cpp"} {
				answers(t, p, filepath.Join(folder, "out", program))
			}

			write(t, folder, "CMakeLists.txt", strings.ReplaceAll(blocks[0], "find_package(cape 1.0 REQUIRED)", "find_package(cape 2 REQUIRED)"))
			output, err := attempt(folder, "cmake", "-S", ".", "-B", "other", prefix)
			if err == nil || !strings.Contains(output, "version: "+version(t)) {
				t.Errorf("version 2 is found: %v\n%s", err, output)
			}
		})
	}
}

func TestCMakeTakesTheVersionsThatFit(t *testing.T) {
	t.Parallel()
	needs(t, "cmake", "cmake")
	p, folder := direct(t), t.TempDir()
	wanted := []struct{ request, found string }{
		{"", "1"}, {"1", "1"}, {"1.0", "1"}, {version(t), "1"}, {version(t) + " EXACT", "1"}, {"1...2", "1"}, {"1.0...<2", "1"},
		{"2", "0"}, {"0.9", "0"}, {"1.999", "0"}, {"1.999 EXACT", "0"}, {"0.1...0.9", "0"}, {"2...3", "0"}, {"1.998...<1.999", "0"},
	}
	var project, want strings.Builder
	project.WriteString("cmake_minimum_required(VERSION 3.19)\nproject(versions LANGUAGES NONE)\n")
	for i, w := range wanted {
		fmt.Fprintf(&project, "unset(cape_DIR CACHE)\nfind_package(cape %s QUIET)\nmessage(NOTICE \"case %d: ${cape_FOUND}\")\n", w.request, i)
		fmt.Fprintf(&want, "case %d: %s\n", i, w.found)
	}
	write(t, folder, "CMakeLists.txt", project.String())
	output := run(t, folder, "cmake", "-S", ".", "-B", "out", "-DCMAKE_PREFIX_PATH="+p.prefix)
	got := strings.Join(regexp.MustCompile(`(?m)^case .*\n`).FindAllString(output, -1), "")
	if got != want.String() {
		t.Errorf("got\n%swant\n%sfor %v", got, want.String(), wanted)
	}
}
