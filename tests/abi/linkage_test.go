package abi

import (
	"debug/elf"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/libcape/libcape/tests/abi/built"
)

// oldestGlibc is the oldest glibc that a program with the library runs on, when the library was
// built on Debian 12 or the like. The README states it.
const oldestGlibc = "2.34"

// opened reads the library that was built.
func opened(t *testing.T) *elf.File {
	t.Helper()
	library, err := elf.Open(built.Library(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { library.Close() })
	return library
}

func TestTheLibraryIsLinkedAsItShouldBe(t *testing.T) {
	t.Parallel()
	library := opened(t)
	name, err := library.DynString(elf.DT_SONAME)
	if want := "libcape.so." + macro(t, "CAPE_VERSION_MAJOR"); err != nil || !slices.Equal(name, []string{want}) {
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
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH, elf.DT_TEXTREL} {
		if values, err := library.DynValue(tag); err != nil || len(values) > 0 {
			t.Errorf("%s: %v (%v)", tag, values, err)
		}
	}
	if values, err := library.DynValue(elf.DT_FLAGS); err != nil || len(values) == 1 && values[0]&uint64(elf.DF_TEXTREL) != 0 {
		t.Errorf("text relocations: %v (%v)", values, err)
	}
}

func TestTheLibraryNeedsGlibcAlone(t *testing.T) {
	t.Parallel()
	needed, err := opened(t).ImportedLibraries()
	if err != nil || len(needed) == 0 {
		t.Fatal(needed, err)
	}
	for _, other := range needed {
		// All but libc and the loader are parts of an older glibc.
		if !regexp.MustCompile(`^(libc|libpthread|libdl|libresolv|ld-linux.*)\.so\.\d+$`).MatchString(other) {
			t.Errorf("needs %s", other)
		}
	}
}

func TestNoSegmentIsWritableAndExecutable(t *testing.T) {
	t.Parallel()
	stack, relro := false, false
	for _, segment := range opened(t).Progs {
		stack = stack || segment.Type == elf.PT_GNU_STACK
		relro = relro || segment.Type == elf.PT_GNU_RELRO
		if segment.Flags&(elf.PF_W|elf.PF_X) == elf.PF_W|elf.PF_X {
			t.Errorf("%s has flags %s", segment.Type, segment.Flags)
		}
	}
	if !stack {
		t.Error("no PT_GNU_STACK: the loader would make every stack executable")
	}
	if !relro {
		t.Error("no PT_GNU_RELRO")
	}
}

func TestTheOldestGlibcIsTheOneThatTheReadmeStates(t *testing.T) {
	t.Parallel()
	needs, err := opened(t).DynamicVersionNeeds()
	if err != nil {
		t.Fatal(err)
	}
	newest := version(t, "0")
	for _, library := range needs {
		for _, dependency := range library.Needs {
			number, found := strings.CutPrefix(dependency.Dep, "GLIBC_")
			if !found {
				t.Errorf("needs %s of %s, which is no version of glibc", dependency.Dep, library.Name)
				continue
			}
			if need := version(t, number); slices.Compare(need, newest) > 0 {
				newest = need
			}
			if slices.Compare(version(t, number), version(t, oldestGlibc)) > 0 {
				t.Errorf("needs %s of %s, newer than glibc %s", dependency.Dep, library.Name, oldestGlibc)
			}
		}
	}
	if slices.Equal(newest, version(t, "0")) {
		t.Error("it needs no version of glibc, or none can be read")
	}
	if !strings.Contains(read(t, "README.md"), "glibc "+oldestGlibc) {
		t.Errorf("the README does not state glibc %s", oldestGlibc)
	}
}

// version splits a version into its numbers.
func version(t *testing.T, text string) []int {
	t.Helper()
	var numbers []int
	for _, part := range strings.Split(text, ".") {
		var number int
		if _, err := fmt.Sscanf(part, "%d", &number); err != nil {
			t.Fatalf("%q is no version: %v", text, err)
		}
		numbers = append(numbers, number)
	}
	return numbers
}
