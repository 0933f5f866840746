package install

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/libcape/libcape/tests/abi/built"
)

// reload loads the library, gives it back, and calls it by what it knew before and by what it finds
// then.
const reload = `#include <cape.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

typedef int32_t encode(const char *, size_t, cape_buf *, cape_error *);

static int mapped(void)
{
    char line[4096];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        count += strstr(line, "libcape.so") != NULL;
    }
    return maps != NULL && fclose(maps) == 0 && count > 0;
}

int main(int argc, char **argv)
{
    cape_buf output = {0};
    void *library = dlopen(argv[argc - 1], RTLD_NOW | RTLD_LOCAL);
    encode *before = (encode *)dlsym(library, "cape_serdio_encode");
    printf("%d ", before("{}", 2, &output, NULL));
    printf("%d %d ", dlclose(library), mapped());
    printf("%d ", before("{}", 2, &output, NULL));
    library = dlopen(argv[argc - 1], RTLD_NOW | RTLD_LOCAL);
    printf("%d\n", (encode *)dlsym(library, "cape_serdio_encode") == before);
    return 0;
}
`

func TestTheLibraryOutlivesDlclose(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write(t, folder, "reload.c", reload)
	program := filepath.Join(folder, "reload")
	run(t, folder, "cc", "-std=gnu11", "-I"+built.Path("include"), "reload.c", "-o", program, "-ldl")
	if output := run(t, folder, program, built.Library(t)); output != "0 0 1 0 1\n" {
		t.Errorf("it prints %q", output)
	}
}

func TestTheAddressSpaceThatTheReadmeNamesIsEnough(t *testing.T) {
	t.Parallel()
	p := direct(t)
	folder := t.TempDir()
	program := filepath.Join(folder, "example")
	run(t, folder, "cc", "-std=c11", "-I"+p.path("include"), built.Path("tests/c/example.c"), "-L"+p.lib(), "-lcape", "-o", program)
	limited := func(kilobytes string) (string, error) {
		return attempt(folder, "LD_LIBRARY_PATH="+p.lib(), "sh", "-c", `ulimit -v "$1"; shift; exec "$@"`, "sh", kilobytes,
			program, built.Python(t), built.Path("tests/functions/echo"), built.Path("tests/functions/pythagorean"))
	}
	if output, err := limited("4194304"); err != nil || !strings.Contains(output, "pythagorean(3, 4) = 5\n") {
		t.Errorf("with 4 GiB: %v: %s", err, output)
	}
	if output, err := limited("524288"); err == nil {
		t.Errorf("the README says that half a GiB is not enough, and it is: %s", output)
	}
}
