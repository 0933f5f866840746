// Package built finds what `make build` and `make bindings` leave, for tests that need it.
package built

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Root is the folder of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// Path is a path within the repository.
func Path(elements ...string) string {
	return filepath.Join(append([]string{Root()}, elements...)...)
}

// Library is the path of the shared library: that in CAPE_LIBRARY, or the one in build.
func Library(t testing.TB) string {
	t.Helper()
	library := os.Getenv("CAPE_LIBRARY")
	if library == "" {
		library = Path("build", "libcape.so")
	}
	library, err := filepath.Abs(library)
	if err == nil {
		_, err = os.Stat(library)
	}
	if err != nil {
		t.Fatalf("no library: %v: run make build", err)
	}
	return library
}

// Python is the path of the interpreter that has the project's packages: that in CAPE_PYTHON, or
// the one in build/venv.
func Python(t testing.TB) string {
	t.Helper()
	python := os.Getenv("CAPE_PYTHON")
	if python == "" {
		python = Path("build", "venv", "bin", "python")
	}
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("no Python: %v: run make bindings", err)
	}
	return python
}
