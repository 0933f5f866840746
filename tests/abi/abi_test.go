// Package abi holds the tests that nobody changes the C interface by accident: the header, the
// library, the version script and the bindings have to agree.
package abi

import (
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
    cape_progress begun = CAPE_PROGRESS_INIT;
    SIZE(cape_handle);
    SIZE(cape_buf); OFFSET(cape_buf, data); OFFSET(cape_buf, len);
    SIZE(cape_error); OFFSET(cape_error, size); OFFSET(cape_error, code);
    OFFSET(cape_error, reason); OFFSET(cape_error, message);
    printf("CAPE_ERROR_INIT %u %d\n", (unsigned)fresh.size, (int)fresh.code);
    SIZE(cape_progress); OFFSET(cape_progress, size); OFFSET(cape_progress, finished);
    OFFSET(cape_progress, sent); OFFSET(cape_progress, to_send); OFFSET(cape_progress, received);
    printf("CAPE_PROGRESS_INIT %u %d\n", (unsigned)begun.size, (int)begun.finished);
    return 0;
}
`

// compiled gives what a C program prints.
func compiled(t *testing.T, text string) string {
	t.Helper()
	folder := t.TempDir()
	source, program := filepath.Join(folder, "program.c"), filepath.Join(folder, "program")
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
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
	return string(output)
}

func TestTypesHaveTheLayoutThatCallersWereBuiltWith(t *testing.T) {
	t.Parallel()
	output := compiled(t, layout)
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
cape_progress 32
cape_progress.size 0
cape_progress.finished 4
cape_progress.sent 8
cape_progress.to_send 16
cape_progress.received 24
CAPE_PROGRESS_INIT 32 0
`
	if strconv.IntSize == 64 && output != want {
		t.Errorf("got\n%swant\n%s", output, want)
	}
}
