package main

/*
#include "shim.h"
*/
import "C"

import (
	"time"
	"unsafe"

	"github.com/libcape/libcape/capelib"
)

//export cape_go_connect_start
func cape_go_connect_start(options *C.cape_text, length C.size_t, queue C.cape_handle, into *C.cape_handle, failure *C.cape_error) C.int32_t {
	return answer(failure, protect(func() error {
		told, err := toTell(uint64(queue))
		if err != nil {
			return err
		}
		parsed, err := capelib.ParseOptions(borrow(options, length))
		if err != nil {
			return err
		}
		handle, err := begin(told, func(ended func()) (underway, error) { return capelib.StartConnect(parsed, ended) })
		*into = C.cape_handle(handle)
		return err
	}))
}

//export cape_go_invoke_start
func cape_go_invoke_start(conn C.cape_handle, input *C.cape_bytes, length C.size_t, timeout C.uint32_t, queue C.cape_handle, into *C.cape_handle, failure *C.cape_error) C.int32_t {
	return answer(failure, protect(func() error {
		told, err := toTell(uint64(queue)) // out here, since a poisoned queue is no fault of the connection
		if err != nil {
			return err
		}
		return use(uint64(conn), connection, func(session *capelib.Conn) error {
			handle, err := begin(told, func(ended func()) (underway, error) {
				return session.Start(borrow(input, length), capelib.CallOptions{Timeout: milliseconds(timeout), Ended: ended})
			})
			*into = C.cape_handle(handle)
			return err
		})
	}))
}

//export cape_go_op_wait
func cape_go_op_wait(handle C.cape_handle, timeout C.uint32_t, failure *C.cape_error) C.int32_t {
	return answer(failure, use(uint64(handle), pendingOperation, func(o *operation) error {
		return o.wait(milliseconds(timeout))
	}))
}

//export cape_go_op_result
func cape_go_op_result(handle C.cape_handle, conn *C.cape_handle, buffer *C.uint8_t, capacity C.size_t, length *C.size_t, failure *C.cape_error) C.int32_t {
	return answer(failure, use(uint64(handle), pendingOperation, func(o *operation) error {
		opened, n, err := o.outcome(unsafe.Slice((*byte)(buffer), capacity), conn != nil)
		if conn != nil {
			*conn = C.cape_handle(opened)
		}
		*length = C.size_t(n)
		return err
	}))
}

//export cape_go_op_progress
func cape_go_op_progress(handle C.cape_handle, into *C.cape_progress, failure *C.cape_error) C.int32_t {
	return answer(failure, use(uint64(handle), pendingOperation, func(o *operation) error {
		work := o.underway()
		progress := work.Progress()
		into.sent, into.to_send = C.uint64_t(progress.Sent), C.uint64_t(progress.ToSend)
		into.received = C.uint64_t(progress.Received)
		select {
		case <-work.Done():
			into.finished = 1
		default:
		}
		return nil
	}))
}

//export cape_go_op_cancel
func cape_go_op_cancel(handle C.cape_handle, failure *C.cape_error) C.int32_t {
	return answer(failure, use(uint64(handle), pendingOperation, func(o *operation) error {
		o.underway().Cancel()
		return nil
	}))
}

func milliseconds(n C.uint32_t) time.Duration { return time.Duration(n) * time.Millisecond }

//export cape_go_queue_open
func cape_go_queue_open(into *C.cape_handle, descriptor *C.int32_t, failure *C.cape_error) C.int32_t {
	return answer(failure, protect(func() error {
		opened, fd, err := openCompletions()
		if err != nil {
			return err
		}
		handle, err := handles.add(completionQueue, opened)
		if err != nil {
			_ = opened.Close()
			closeDescriptor(fd)
			return err
		}
		*into, *descriptor = C.cape_handle(handle), C.int32_t(fd)
		return nil
	}))
}

//export cape_go_queue_take
func cape_go_queue_take(queue C.cape_handle, operations *C.cape_handle, capacity C.size_t, count *C.size_t, failure *C.cape_error) C.int32_t {
	return answer(failure, use(uint64(queue), completionQueue, func(q *completions) error {
		*count = C.size_t(q.take(unsafe.Slice((*uint64)(operations), capacity)))
		return nil
	}))
}
