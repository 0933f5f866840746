package main

/*
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/libcape/libcape/capelib"
)

// borrow is C's memory as bytes, without a copy. It may be used until the call returns, and must
// not be written to. The C side has checked that the length can be expressed.
func borrow[T C.cape_text | C.cape_bytes](data *T, length C.size_t) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(data)), length)
}

// give copies data to the C heap, where cape_buf_free takes it back.
func give(into *C.cape_buf, data []byte) error {
	if C.cape_shim_copy(into, unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data))) == 0 {
		return capelib.NewError("memory.output", fmt.Sprintf("no memory for a result of %d bytes: free some and call again", len(data)))
	}
	return nil
}
