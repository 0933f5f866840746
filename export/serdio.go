package main

/*
#include "shim.h"
*/
import "C"

import "github.com/libcape/libcape/capelib"

//export cape_go_serdio_encode
func cape_go_serdio_encode(json *C.cape_text, length C.size_t, output *C.cape_buf, failure *C.cape_error) C.int32_t {
	return answer(failure, protect(func() error {
		encoded, err := capelib.SerdioEncode(borrow(json, length))
		if err != nil {
			return err
		}
		defer clear(encoded)
		return give(output, encoded)
	}))
}

//export cape_go_serdio_decode
func cape_go_serdio_decode(data *C.cape_bytes, length C.size_t, json *C.cape_buf, failure *C.cape_error) C.int32_t {
	return answer(failure, protect(func() error {
		decoded, err := capelib.SerdioDecode(borrow(data, length))
		if err != nil {
			return err
		}
		defer clear(decoded)
		return give(json, decoded)
	}))
}
