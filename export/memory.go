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

// answer gives the outcome of a call to C: a code, and the details in failure, which may be nil
// and is clear already.
func answer(failure *C.cape_error, err error) C.int32_t {
	if err == nil {
		return C.CAPE_OK
	}
	e := capelib.AsError(err)
	return C.cape_shim_fail(failure, C.int32_t(e.Code), text(e.Reason), C.size_t(len(e.Reason)),
		text(e.Message), C.size_t(len(e.Message)))
}

// text lends a string to C, which has to be told its length.
func text(s string) *C.char {
	return (*C.char)(unsafe.Pointer(unsafe.StringData(s)))
}

// borrow is C's memory as bytes, without a copy. It may be used until the call returns, and must
// not be written to. The C side has checked that Go can express the length.
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
