package main

/*
#include "shim.h"
*/
import "C"

import "github.com/libcape/libcape/capelib"

//export cape_go_request_start
func cape_go_request_start(options *C.cape_text, length C.size_t, input *C.cape_bytes, inputLength C.size_t, queue C.cape_handle, into *C.cape_handle, failure *C.cape_error) C.int32_t {
	return answer(failure, protect(func() error {
		told, err := toTell(uint64(queue))
		if err != nil {
			return err
		}
		handle, err := begin(told, func(ended func()) (underway, error) {
			return capelib.StartRequest(borrow(options, length), borrow(input, inputLength), ended)
		})
		*into = C.cape_handle(handle)
		return err
	}))
}

//export cape_go_encrypt
func cape_go_encrypt(key *C.cape_bytes, keyLength C.size_t, plaintext *C.cape_bytes, length C.size_t, output *C.cape_buf, failure *C.cape_error) C.int32_t {
	return answer(failure, protect(func() error {
		sealed, err := capelib.Encrypt(borrow(key, keyLength), borrow(plaintext, length))
		if err != nil {
			return err
		}
		return give(output, sealed)
	}))
}
