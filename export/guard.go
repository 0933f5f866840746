package main

/*
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/libcape/libcape/capelib"
)

// attempt runs a call that C made and gives its outcome to C: a code, and the details in
// failure, which may be nil. No panic leaves it, since a panic that reaches C ends the process.
func attempt(failure *C.cape_error, call func() error) (code C.int32_t) {
	defer func() {
		if value := recover(); value != nil {
			code = fail(failure, panicked(value))
		}
	}()
	if err := call(); err != nil {
		return fail(failure, err)
	}
	return C.CAPE_OK
}

// with is attempt for a call on the object behind a handle. After a panic, here or on a goroutine
// that works for the object, its state is anybody's guess: it is poisoned.
func with[T object](handle C.cape_handle, k kind, failure *C.cape_error, call func(T) error) C.int32_t {
	return attempt(failure, func() error {
		entry, err := handles.find(uint64(handle), k)
		if err != nil {
			return err
		}
		poisoned := true
		defer func() {
			if poisoned {
				entry.poisoned.Store(true)
			}
		}()
		err = call(entry.object.(T))
		poisoned = err != nil && capelib.AsError(err).Code == capelib.CodePanic
		return err
	})
}

// fail writes an error of any package of this library into failure, and returns its code.
func fail(failure *C.cape_error, err error) C.int32_t {
	e := capelib.AsError(err)
	return C.cape_shim_fail(failure, C.int32_t(e.Code), text(e.Reason), C.size_t(len(e.Reason)),
		text(e.Message), C.size_t(len(e.Message)))
}

// text lends a string to C, which has to take its length along.
func text(s string) *C.char {
	return (*C.char)(unsafe.Pointer(unsafe.StringData(s)))
}

// panicked describes a recovered panic. The value is named by its type alone unless the runtime
// made it, for anything else might carry a payload.
func panicked(value any) error {
	what := fmt.Sprintf("%T", value)
	if fault, ok := value.(runtime.Error); ok {
		what = fault.Error()
	}
	return capelib.NewError("panic.recovered", "the library failed inside ("+what+
		"): please report this; close the handle, others can be used further")
}
