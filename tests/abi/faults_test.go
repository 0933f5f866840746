package abi

import (
	"slices"
	"testing"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/include"
)

func TestTheHeaderListsEveryFault(t *testing.T) {
	t.Parallel()
	words := submatches(`([a-z0-9_]+)`, include.Header)
	for _, fault := range enclave.Faults() {
		if !slices.Contains(words, string(fault)) {
			t.Errorf("cape.h does not name the fault %s", fault)
		}
	}
}
