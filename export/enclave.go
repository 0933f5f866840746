package main

/*
#include "shim.h"
*/
import "C"

import (
	"encoding/json"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/enclave"
)

//export cape_go_enclave_start
func cape_go_enclave_start(options *C.cape_text, length C.size_t, handle *C.cape_handle, failure *C.cape_error) C.int32_t {
	return answer(failure, protect(func() error {
		started, err := startEnclave(borrow(options, length))
		if err != nil {
			return err
		}
		added, err := handles.add(localEnclave, started)
		if err != nil {
			started.Close()
			return err
		}
		*handle = C.cape_handle(added)
		return nil
	}))
}

//export cape_go_enclave_info
func cape_go_enclave_info(handle C.cape_handle, info *C.cape_buf, failure *C.cape_error) C.int32_t {
	return answer(failure, use(uint64(handle), localEnclave, func(e *loggedEnclave) error {
		encoded, err := json.Marshal(e.Info())
		if err != nil {
			return err
		}
		return give(info, encoded)
	}))
}

//export cape_go_enclave_set_faults
func cape_go_enclave_set_faults(handle C.cape_handle, faults *C.cape_text, length C.size_t, failure *C.cape_error) C.int32_t {
	return answer(failure, use(uint64(handle), localEnclave, func(e *loggedEnclave) error {
		var names []string
		if err := capelib.DecodeJSON(borrow(faults, length), &names); err != nil {
			return err
		}
		parsed, err := parseFaults(names)
		if err != nil {
			return err
		}
		return e.SetFaults(parsed...)
	}))
}

// parseFaults gives the faults of these names, or an error that lists the known ones.
func parseFaults(names []string) ([]enclave.Fault, error) {
	faults := make([]enclave.Fault, 0, len(names))
	for _, name := range names {
		fault, err := enclave.ParseFault(name)
		if err != nil {
			return nil, err
		}
		faults = append(faults, fault)
	}
	return faults, nil
}
