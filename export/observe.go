package main

/*
#include "shim.h"
*/
import "C"

import (
	"encoding/json"
	"runtime"

	"github.com/libcape/libcape/capelib"
)

//export cape_go_log_read
func cape_go_log_read(position *C.uint64_t, into *C.cape_buf, failure *C.cape_error) C.int32_t {
	return answer(failure, protect(func() error {
		records := capelib.Log(uint64(*position))
		encoded, err := json.Marshal(records)
		if err != nil {
			return err
		}
		if err := give(into, encoded); err != nil {
			return err
		}
		if len(records) > 0 {
			*position = C.uint64_t(records[len(records)-1].Number)
		}
		return nil
	}))
}

//export cape_go_counters
func cape_go_counters(into *C.cape_buf, failure *C.cape_error) C.int32_t {
	return answer(failure, protect(func() error {
		encoded, err := json.Marshal(struct {
			Handles    openHandles `json:"handles"`
			Goroutines int         `json:"goroutines"`
			capelib.Counts
		}{handles.count(), runtime.NumGoroutine(), capelib.Counters()})
		if err != nil {
			return err
		}
		return give(into, encoded)
	}))
}
