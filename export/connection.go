package main

/*
#include "shim.h"
*/
import "C"

import (
	"context"

	"github.com/libcape/libcape/capelib"
)

//export cape_go_connect
func cape_go_connect(options *C.cape_text, length C.size_t, conn *C.cape_handle, report *C.cape_buf, failure *C.cape_error) C.int32_t {
	return answer(failure, protect(func() error {
		parsed, err := capelib.ParseOptions(borrow(options, length))
		if err != nil {
			return err
		}
		started, err := capelib.StartConnect(parsed, nil)
		if err != nil {
			return err
		}
		session, err := started.Result()
		if failed := giveReport(report, reportOf(session, err)); err != nil {
			return err // the refusal is what matters
		} else if failed != nil {
			_ = session.Close()
			return failed
		}
		handle, err := handles.add(connection, session)
		if err != nil {
			session.Close()
			C.cape_buf_free(report)
			return err
		}
		*conn = C.cape_handle(handle)
		return nil
	}))
}

// giveReport hands over an attestation report, if there is one and the caller wants it.
func giveReport(into *C.cape_buf, report []byte) error {
	if into == nil {
		return nil
	}
	return give(into, report)
}

//export cape_go_invoke
func cape_go_invoke(conn C.cape_handle, input *C.cape_bytes, length C.size_t, output *C.cape_buf, failure *C.cape_error) C.int32_t {
	return answer(failure, use(uint64(conn), connection, func(session *capelib.Conn) error {
		result, err := session.Invoke(context.Background(), borrow(input, length))
		if err != nil {
			return err
		}
		defer clear(result)
		return give(output, result)
	}))
}

//export cape_go_close
func cape_go_close(handle C.cape_handle, failure *C.cape_error) C.int32_t {
	return answer(failure, protect(func() error {
		entry, err := handles.remove(uint64(handle))
		if err != nil {
			return err
		}
		_ = entry.object.Close() // closed is closed, whatever the peer made of it
		return nil
	}))
}
