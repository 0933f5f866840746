package main

/*
#include "shim.h"
*/
import "C"

import "github.com/libcape/libcape/capelib"

//export cape_go_verify
func cape_go_verify(document *C.cape_bytes, documentLength C.size_t, options *C.cape_text, length C.size_t, report *C.cape_buf, failure *C.cape_error) C.int32_t {
	return answer(failure, protect(func() error {
		parsed, err := capelib.ParseVerifyOptions(borrow(options, length))
		if err != nil {
			return err
		}
		examined, refusal := capelib.Verify(borrow(document, documentLength), parsed)
		if err := giveReport(report, encodeReport(examined)); err != nil && refusal == nil {
			return err
		}
		return refusal
	}))
}
