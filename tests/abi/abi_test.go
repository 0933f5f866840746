// Package abi holds the tests that nobody changes the C interface by accident: the header, the
// library, the version script and the bindings have to agree.
package abi

import (
	"debug/elf"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/include"
	"github.com/libcape/libcape/tests/abi/built"
)

// versionNode is the version that the linker gives the symbols of 1.0.
const versionNode = "CAPE_1.0"

func read(t *testing.T, elements ...string) string {
	t.Helper()
	content, err := os.ReadFile(built.Path(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// submatches gives the first group of each match, sorted and without repetition.
func submatches(expression, text string) []string {
	found := map[string]bool{}
	for _, match := range regexp.MustCompile(expression).FindAllStringSubmatch(text, -1) {
		found[match[1]] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// declared are the functions of the header.
func declared(t *testing.T) []string {
	t.Helper()
	functions := submatches(`(?m)^CAPE_API int32_t (cape_[a-z_]+)\(`, include.Header)
	if len(functions) < 10 || len(functions) != strings.Count(include.Header, "\nCAPE_API ") {
		t.Fatalf("the header's functions cannot be read: %q", functions)
	}
	return functions
}

func wantEqual(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

func TestTheLibraryExportsWhatTheHeaderDeclares(t *testing.T) {
	t.Parallel()
	output, err := exec.Command("nm", "-D", "--defined-only", built.Library(t)).Output()
	if err != nil {
		t.Fatal(err)
	}
	var functions []string
	for _, line := range strings.Split(strings.TrimSpace(string(output)), "\n") {
		fields := strings.Fields(line)
		kind, name := fields[1], fields[2]
		switch bare, version, _ := strings.Cut(name, "@@"); {
		case kind == "A" && bare == versionNode:
		case kind == "T" && version == versionNode:
			functions = append(functions, bare)
		default:
			t.Errorf("exported, but not a function of %s: %s", versionNode, line)
		}
	}
	slices.Sort(functions)
	wantEqual(t, "exported functions", functions, declared(t))
}

func TestTheVersionScriptListsWhatTheHeaderDeclares(t *testing.T) {
	t.Parallel()
	script := read(t, "export", "libcape.map")
	wantEqual(t, "libcape.map", submatches(`(?m)^\s+(cape_[a-z_]+);`, script), declared(t))
	if !strings.HasPrefix(script, versionNode+" {") {
		t.Errorf("libcape.map does not begin with the node %s", versionNode)
	}
}

func TestTheLibraryIsLinkedAsItShouldBe(t *testing.T) {
	t.Parallel()
	library, err := elf.Open(built.Library(t))
	if err != nil {
		t.Fatal(err)
	}
	defer library.Close()
	name, err := library.DynString(elf.DT_SONAME)
	major := macro(t, "CAPE_VERSION_MAJOR")
	if want := "libcape.so." + major; err != nil || !slices.Equal(name, []string{want}) {
		t.Errorf("SONAME %q (%v), want %s", name, err, want)
	}
	flags := uint64(0)
	if values, err := library.DynValue(elf.DT_FLAGS_1); err == nil && len(values) == 1 {
		flags = values[0]
	}
	if flags&uint64(elf.DF_1_NOW) == 0 {
		t.Error("not linked with -z now")
	}
	if flags&uint64(elf.DF_1_NODELETE) == 0 {
		t.Error("dlclose would unload it, under a running Go runtime")
	}
	if values, err := library.DynValue(elf.DT_TEXTREL); err != nil || len(values) > 0 {
		t.Errorf("text relocations: %v (%v)", values, err)
	}
	needed, err := library.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range needed {
		if !regexp.MustCompile(`^(libc|libpthread|libdl|libresolv|ld-linux.*)\.so\.\d+$`).MatchString(other) {
			t.Errorf("needs %s", other)
		}
	}
}

// macro gives the value of a macro of the header.
func macro(t *testing.T, name string) string {
	t.Helper()
	match := regexp.MustCompile(`(?m)^#define ` + name + ` (\S+)`).FindStringSubmatch(include.Header)
	if match == nil {
		t.Fatalf("the header does not define %s", name)
	}
	return match[1]
}

func TestErrorCodesAreTheSameInGoAndForEver(t *testing.T) {
	t.Parallel()
	want := map[string]int{
		"ARGUMENT": int(capelib.CodeArgument), "HANDLE": int(capelib.CodeHandle),
		"CONNECT": int(capelib.CodeConnect), "TLS": int(capelib.CodeTLS),
		"AUTH": int(capelib.CodeAuth), "ATTESTATION": int(capelib.CodeAttestation),
		"POLICY": int(capelib.CodePolicy), "PROTOCOL": int(capelib.CodeProtocol),
		"FUNCTION": int(capelib.CodeFunction), "TIMEOUT": int(capelib.CodeTimeout),
		"CANCELLED": int(capelib.CodeCancelled), "CLOSED": int(capelib.CodeClosed),
		"LIMIT": int(capelib.CodeLimit), "MEMORY": int(capelib.CodeMemory),
		"FORKED": int(capelib.CodeForked), "PANIC": int(capelib.CodePanic),
	}
	got := map[string]int{}
	for _, match := range regexp.MustCompile(`(?m)^#define CAPE_E_([A-Z]+) \((-\d+)\)`).FindAllStringSubmatch(include.Header, -1) {
		got[match[1]], _ = strconv.Atoi(match[2])
	}
	if !maps.Equal(got, want) {
		t.Errorf("codes of the header and of capelib differ:\nheader %v\ncapelib %v", got, want)
	}
	// Released numbers, which nothing may change.
	released := strings.Fields("ARGUMENT HANDLE CONNECT TLS AUTH ATTESTATION POLICY PROTOCOL FUNCTION " +
		"TIMEOUT CANCELLED CLOSED LIMIT MEMORY FORKED PANIC")
	for i, name := range released {
		if got[name] != -1-i {
			t.Errorf("CAPE_E_%s is %d, and was %d", name, got[name], -1-i)
		}
	}
}

// layout prints sizes and offsets of the public types.
const layout = `#include <cape.h>
#include <stdio.h>
#define SIZE(type) printf(#type " %zu\n", sizeof(type))
#define OFFSET(type, member) printf(#type "." #member " %zu\n", offsetof(type, member))
int main(void)
{
    cape_error fresh = CAPE_ERROR_INIT;
    SIZE(cape_handle);
    SIZE(cape_buf); OFFSET(cape_buf, data); OFFSET(cape_buf, len);
    SIZE(cape_error); OFFSET(cape_error, size); OFFSET(cape_error, code);
    OFFSET(cape_error, reason); OFFSET(cape_error, message);
    printf("CAPE_ERROR_INIT %u %d\n", (unsigned)fresh.size, (int)fresh.code);
    return 0;
}
`

func TestTypesHaveTheLayoutThatCallersWereBuiltWith(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	source, program := filepath.Join(folder, "layout.c"), filepath.Join(folder, "layout")
	if err := os.WriteFile(source, []byte(layout), 0o644); err != nil {
		t.Fatal(err)
	}
	compile := exec.Command("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", built.Path("include"), "-o", program, source)
	if output, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	output, err := exec.Command(program).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := `cape_handle 8
cape_buf 16
cape_buf.data 0
cape_buf.len 8
cape_error 584
cape_error.size 0
cape_error.code 4
cape_error.reason 8
cape_error.message 72
CAPE_ERROR_INIT 584 0
`
	if strconv.IntSize == 64 && string(output) != want {
		t.Errorf("got\n%swant\n%s", output, want)
	}
}

// types are names in a binding's table that are not functions.
var types = []string{"cape_buf", "cape_error", "cape_handle"}

func TestBindingsDeclareWhatTheHeaderDeclares(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"bindings/python/pycape/_ffi.py", "bindings/node/src/ffi.ts"} {
		names := submatches(`\b(cape_[a-z_]+)\b`, read(t, filepath.FromSlash(table)))
		functions := slices.DeleteFunc(names, func(name string) bool { return slices.Contains(types, name) })
		wantEqual(t, table, functions, declared(t))
	}
}

func TestBindingsHaveTheVersionOfTheHeader(t *testing.T) {
	t.Parallel()
	want := macro(t, "CAPE_VERSION_MAJOR") + "." + macro(t, "CAPE_VERSION_MINOR") + "." + macro(t, "CAPE_VERSION_PATCH")
	// That of Python is read out of the header when the package is built, so ask what was installed.
	output, err := exec.Command(built.Python(t), "-c", "import importlib.metadata as m; print(m.version('libcape'))").Output()
	if python := strings.TrimSpace(string(output)); err != nil || python != want {
		t.Errorf("the Python package has version %q (%v), the header %s: after a change run make bindings", python, err, want)
	}
	var node struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal([]byte(read(t, "bindings", "node", "package.json")), &node); err != nil || node.Version != want {
		t.Errorf("package.json has version %q (%v), the header %s", node.Version, err, want)
	}
}
