package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/tests/abi/built"
)

// An instrument watches the C and C++ programs of the tests at work, with a library that may be
// built for it.
type instrument struct {
	link        []string          // to the library
	compile     []string          // more flags for the program
	environment []string          // of the program
	under       []string          // the command that runs the program, if one does
	except      map[string]string // programs that it cannot watch, and why
}

// Why programs are left out.
const (
	ownMalloc  = "brings an allocator of its own, and finds the library's calls of it by their addresses"
	loads      = "loads the library by itself"
	ownSuite   = "is run under these sanitizers by tests/cpp/suite"
	stacks     = "changes stacks, which the address sanitizer cannot follow, and counts calls that it makes as well"
	ownLibrary = "needs the library that panics"
	bySignals  = "is about the signals of faults, which the instrument takes for itself"
)

// alone are the programs that have files of the library compiled in, and nothing else of it.
var alone = map[string]struct {
	flags []string
	with  string
}{
	"tests/c/stack.c":         {nil, "export/stack.c"},
	"tests/c/fork_fallback.c": {[]string{"-Dmadvise=refuse"}, "export/fork.c"},
}

// programs are all that have a main function, but for those that stand alone.
func programs(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"tests/c/*.c", "tests/cpp/*.cpp"} {
		paths, err := filepath.Glob(built.Path(pattern))
		if err != nil || len(paths) == 0 {
			t.Fatal(err, paths)
		}
		for _, path := range paths {
			name := strings.TrimPrefix(path, built.Root()+"/")
			if _, ok := alone[name]; !ok {
				found = append(found, name)
			}
		}
	}
	return found
}

// argumentsOf are what a program is called with.
func argumentsOf(t *testing.T, name string) []string {
	t.Helper()
	switch {
	case strings.HasSuffix(name, "/example.c"), strings.HasSuffix(name, "/example.cpp"):
		return []string{built.Python(t), functions("echo"), functions("pythagorean")}
	case name == "tests/c/memory.c":
		return []string{built.Python(t), ownFunctions(t), built.Path("tests", "vectors", "attest")}
	case name == "tests/c/requests.c":
		url, token, root := service(t)
		own := ownFunctions(t)
		return []string{url, token, root, own + "/echo", built.Python(t), own}
	case name == "tests/c/sigpipe.c":
		return []string{built.Python(t), ownFunctions(t), built.Library(t), "ignored", "before"}
	case filepath.Ext(name) == ".cpp":
		return []string{built.Python(t), functions()}
	}
	return []string{built.Python(t), ownFunctions(t)}
}

// watch runs every program under an instrument.
func (i instrument) watch(t *testing.T) {
	t.Helper()
	all := programs(t)
	for name := range i.except {
		if !slices.Contains(all, name) {
			t.Errorf("%s is left out and not there", name)
		}
	}
	for _, name := range all {
		if _, ok := i.except[name]; ok {
			continue
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			sources := []string{name}
			flags := slices.Concat(i.compile, i.link, []string{"-pthread", "-lm", "-ldl"})
			if output, err := i.run(t, compile(t, flags, sources...), argumentsOf(t, name)...); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
}

// run runs a program under the instrument, and gives what it says.
func (i instrument) run(t *testing.T, p program, arguments ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	line := slices.Concat(i.under, []string{string(p)}, arguments)
	command := exec.CommandContext(ctx, line[0], line[1:]...)
	command.Env = append(os.Environ(), i.environment...)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	start := time.Now()
	err := command.Run()
	t.Logf("%.1f s", time.Since(start).Seconds())
	return output.String(), err
}

// finds makes sure that the instrument sees a defect for what it is, and nothing where there is
// none. The program is linked with the instrument's library.
func (i instrument) finds(t *testing.T, defects map[string]string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "defects.c")
	if err := os.WriteFile(path, []byte(defective), 0o644); err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(built.Root(), path)
	if err != nil {
		t.Fatal(err)
	}
	p := compile(t, slices.Concat(i.compile, i.link, []string{"-pthread", "-ldl"}), relative)
	if output, err := i.run(t, p, "none"); err != nil {
		t.Errorf("a program without a defect: %v\n%s", err, output)
	}
	for defect, said := range defects {
		output, err := i.run(t, p, defect)
		if err == nil || !strings.Contains(output, said) {
			t.Errorf("the defect %q: %v, and not %q\n%s", defect, err, said, output)
		}
	}
}

// defective is a program with defects to choose from: its own, which begin with a letter, and those
// of a library that has defectiveGo in it, which are numbers.
const defective = `
#include <cape.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cape_test_defect(int number) __attribute__((weak));

int main(int argc, char **argv)
{
    cape_buf buf = {0};
    volatile int large = INT32_MAX - 2 + argc, larger;
    if (cape_serdio_encode("{\"args\": [1, 2, 3]}", 19, &buf, NULL) != CAPE_OK || argc != 2) {
        return 99;
    }
    uint8_t *data = buf.data;
    if (strcmp(argv[1], "over the end") == 0) {
        return ((volatile uint8_t *)data)[buf.len] & 0;
    }
    if (strcmp(argv[1], "leak") == 0) {
        buf.data = NULL;
        data = NULL;
    }
    cape_buf_free(&buf);
    if (strcmp(argv[1], "after free") == 0) {
        return ((volatile uint8_t *)data)[0] & 0;
    }
    if (strcmp(argv[1], "undefined") == 0) {
        larger = large + 1;
        return larger & 0;
    }
    if (strcmp(argv[1], "uninitialised") == 0) {
        volatile uint8_t *fresh = malloc(8);
        if (fresh[3] == 17) {
            puts("seventeen");
        }
        free((void *)fresh);
    }
    if (argv[1][0] >= '0' && argv[1][0] <= '9') {
        cape_test_defect(atoi(argv[1]));
    }
    return 0;
}
`

// defectiveGo is a function with defects of Go to choose from.
const defectiveGo = `package main

// #include <stdlib.h>
import "C"

import (
	"sync"
	"unsafe"
)

var kept *int

//export cape_test_defect
func cape_test_defect(number C.int) {
	switch number {
	case 1: // two goroutines write
		var both sync.WaitGroup
		for i := range 2 {
			both.Go(func() { kept = &i })
		}
		both.Wait()
	case 2: // a slice that is longer than its memory
		kept = new(int)
		_ = unsafe.Slice((*byte)(unsafe.Pointer(kept)), 1<<20)
	case 3: // C memory that points to Go's
		*(**int)(C.calloc(1, 8)) = new(int)
	}
}
`

// overlay has the go command find a file in the folder export that is not there.
func overlay(t *testing.T, name, content string) string {
	t.Helper()
	folder := t.TempDir()
	file, list := filepath.Join(folder, name), filepath.Join(folder, "overlay.json")
	replaced, err := json.Marshal(map[string]any{"Replace": map[string]string{built.Path("export", name): file}})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{file: content, list: string(replaced)} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return "-overlay=" + list
}

// archive makes a library for linking into a program, with the flags that it is linked by.
func archive(t *testing.T, environment []string, flags ...string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "libcape.a")
	command := exec.Command("go", slices.Concat([]string{"build", "-trimpath", "-buildmode=c-archive", "-o", path}, flags, []string{"./export"})...)
	command.Dir = built.Root()
	command.Env = append(append(os.Environ(), "CGO_ENABLED=1"), environment...)
	start := time.Now()
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, output)
	}
	t.Logf("built in %.1f s", time.Since(start).Seconds())
	return []string{path, "-Wl,--wrap=pthread_getattr_np"}
}

// shared makes a shared library, with the flags that a program is linked by, and the symbols of
// more functions than those of cape.h.
func shared(t *testing.T, environment []string, flags ...string) []string {
	t.Helper()
	folder := t.TempDir()
	symbols, err := os.ReadFile(built.Path("export", "libcape.map"))
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(folder, "map")
	if err := os.WriteFile(script, bytes.Replace(symbols, []byte("cape_close;"), []byte("cape_close; cape_test_defect;"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	buildLibrary(t, filepath.Join(folder, "libcape.so"), script, environment, flags...)
	t.Logf("built in %.1f s", time.Since(start).Seconds())
	return []string{"-L" + folder, "-lcape", "-Wl,-rpath," + folder}
}

// soak skips a test that takes minutes.
func soak(t *testing.T) {
	t.Helper()
	if os.Getenv("CAPE_SOAK") == "" {
		t.Skip("takes minutes: make soak runs it")
	}
}

// leftOut joins lists of exceptions.
func leftOut(lists ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, list := range lists {
		maps.Copy(all, list)
	}
	return all
}

var (
	everywhere = map[string]string{"tests/c/panic.c": ownLibrary, "tests/c/signals.c": bySignals}
	mallocs    = map[string]string{"tests/c/memory.c": ownMalloc}
	switching  = map[string]string{"tests/c/other_stack.c": stacks}
	loaders    = map[string]string{"tests/c/sigpipe.c": loads}
	ofHeader   = map[string]string{
		"tests/cpp/operations.cpp": ownSuite, "tests/cpp/owners.cpp": ownSuite, "tests/cpp/queue.cpp": ownSuite,
	}
)

// address is what both sanitizers find in the defective program.
var address = map[string]string{
	"over the end": "heap-buffer-overflow",
	"after free":   "heap-use-after-free",
	"leak":         "detected memory leaks",
	"undefined":    "signed integer overflow",
}

// The programs alone: the library is what everyone gets, and what it allocates in C is watched too,
// since the sanitizer's malloc takes the place of the C library's.
func TestSanitizersFindNothingInThePrograms(t *testing.T) {
	t.Parallel()
	folder := filepath.Dir(built.Library(t))
	i := instrument{
		link:    []string{"-L" + folder, "-l:" + filepath.Base(built.Library(t)), "-Wl,-rpath," + folder},
		compile: sanitizers,
		except:  leftOut(everywhere, mallocs, switching, ofHeader),
	}
	i.finds(t, address)
	i.watch(t)
	for name, with := range alone {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			compile(t, slices.Concat(sanitizers, with.flags, []string{"-pthread"}), name, with.with).run(t)
		})
	}
}

// With the C half of the library compiled for the sanitizers as well, and Go's own view of memory
// told to the address sanitizer.
func TestSanitizersFindNothingInTheCHalf(t *testing.T) {
	soak(t)
	flags := "CGO_CFLAGS=-g -O1 -fno-omit-frame-pointer -fsanitize=undefined -fno-sanitize-recover=all"
	i := instrument{
		link:    archive(t, []string{flags}, "-asan"),
		compile: sanitizers,
		except:  leftOut(everywhere, mallocs, switching, loaders),
	}
	i.finds(t, address)
	i.watch(t)
}
