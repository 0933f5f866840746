package suite

import (
	"os/exec"
	"testing"

	"github.com/libcape/libcape/tests/abi/built"
)

// memcheck follows the library when Go's runtime is built to tell it about stacks and the heap.
// Leaks are left to the address sanitizer: what the runtime says of its blocks is more than
// memcheck's search for leaks takes, which then ends by an assertion.
func TestValgrindFindsNothing(t *testing.T) {
	soak(t)
	if _, err := exec.LookPath("valgrind"); err != nil {
		t.Skip("needs valgrind, the Debian package of that name")
	}
	i := instrument{
		link: shared(t, nil, "-tags=valgrind"),
		under: []string{"valgrind", "--quiet", "--error-exitcode=77", "--leak-check=no", "--num-callers=30",
			"--suppressions=" + built.Path("tests", "c", "valgrind.supp")},
		// Goroutines are stopped at calls only. A signal would stop them anywhere, and save their
		// registers where memcheck does not expect a stack.
		environment: []string{"GODEBUG=asyncpreemptoff=1"},
		compile:     []string{"-DLARGEST_PAYLOAD=(4<<20)", "-DOPERATIONS_IN_FLIGHT=64", "-DUNREAD_OPERATIONS=1000", "-g"},
		except: leftOut(everywhere, mallocs, map[string]string{
			"tests/c/sigpipe.c":     "is several hundred TLS handshakes, each of which takes memcheck a tenth of a second",
			"tests/c/descriptors.c": "looks at numbers of descriptors that a slow enclave may still be taking for its function",
			"tests/c/fork.c":        "forks thousands of times, and memcheck is copied each time",
		}),
	}
	i.finds(t, map[string]string{
		"over the end":  "Invalid read",
		"after free":    "Invalid read",
		"uninitialised": "depends on uninitialised value",
	})
	i.watch(t)
}
