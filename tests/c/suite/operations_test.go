package suite

import (
	"path/filepath"
	"testing"

	"github.com/libcape/libcape/tests/abi/built"
)

func TestOperationsAndQueuesRefuseMisuse(t *testing.T) { smoke(t, "tests/c/misuse_operations.c") }
func TestManyOperationsReachTheirEnds(t *testing.T)    { smoke(t, "tests/c/operations.c") }

func TestOperationsAreCleanUnderSanitizers(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"tests/c/misuse_operations.c", "tests/c/operations.c"} {
		t.Run(filepath.Base(source), func(t *testing.T) {
			t.Parallel()
			linked(t, sanitizers, source).run(t, built.Python(t), ownFunctions(t))
		})
	}
}
