package abi

import (
	"slices"
	"strings"
	"testing"
)

// What a function of the header does in a forked child, only a child can tell; fork.c asks.
func TestEveryFunctionIsTriedInAForkedChild(t *testing.T) {
	t.Parallel()
	_, rest, found := strings.Cut(read(t, "tests", "c", "fork.c"), "\nstatic void child(void)\n{")
	child, _, closed := strings.Cut(rest, "\n}\n")
	if !found || !closed {
		t.Fatal("fork.c has no function child")
	}
	want := slices.DeleteFunc(declared(t), func(name string) bool { return name == "cape_buf_free" }) // works there
	wantEqual(t, "functions that fork.c expects to be refused", submatches(`EXPECT\((cape_[a-z_]+)\([^;]*CAPE_E_FORKED`, child), want)
	if !strings.Contains(child, "cape_buf_free(&kept) == CAPE_OK") {
		t.Error("fork.c does not free a buffer in a child")
	}
}
