// Package main is the C library: every function of include/cape.h, and nothing else. Build it
// with `make build`, which links it as libcape.so.
//
// Each public function is C (connection.c and its like): it clears its outputs, catches a forked
// child, and refuses unusable parameters. Behind it stands a Go function named cape_go_*, which
// converts its parameters, calls capelib or core/enclave, and converts the result back. The
// linker's version script hides everything but the header's functions.
//
// Rules that all of it keeps:
//
//   - Inputs are used in place, without a copy, and only until the call returns. Outputs are
//     copies on the C heap, written when nothing can fail any more.
//   - A panic ends as CAPE_E_PANIC. The handle it happened on refuses further use, but for
//     cape_close; others go on.
//   - Objects are known to C by handles only (handle.go), never by pointers.
package main

/*
#include "shim.h"
*/
import "C"

import (
	_ "embed"

	_ "github.com/libcape/libcape/include" // the build cache notices a changed cape.h
)

// The version script takes part in the build cache as well: the linker reads it, go build does
// not. Nothing uses the text, so it is not in the library.
//
//go:embed libcape.map
var _ string

// heapFloor is never touched, so that it costs address space and no memory. Go collects garbage when
// the heap has doubled: without this, that is every few calls of 64 KiB, which took a third of the
// time of each. A program that wants less garbage sets GOGC.
//
//lint:ignore U1000 it only has to exist
var heapFloor = make([]byte, 16<<20)

// A program needs one; a shared library never calls it.
func main() {}
