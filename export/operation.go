package main

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/libcape/libcape/capelib"
)

// underway is a connect, an invoke or another request that capelib has begun.
type underway interface {
	Done() <-chan struct{}
	Cancel()
	Progress() capelib.Progress
}

// operation is what an operation's handle stands for, until its outcome is handed over.
type operation struct {
	closed chan struct{} // closed by cape_close
	listed chan struct{} // closed when the queue has been told of the end; nil without a queue

	mu     sync.Mutex
	handle uint64
	work   underway
	taken  bool // the outcome was handed over, or wiped
}

// begin starts an operation and gives it a handle. The queue, if there is one, is told of its end.
func begin(told *completions, start func(ended func()) (underway, error)) (uint64, error) {
	o := &operation{closed: make(chan struct{})}
	o.mu.Lock() // until it is whole: a queue may show the handle to another thread at once
	defer o.mu.Unlock()
	handle, err := handles.add(pendingOperation, o)
	if err != nil {
		return 0, err
	}
	defer func() {
		if o.work == nil { // it was refused, or panicked
			o.taken = true
			_, _ = handles.remove(handle)
		}
	}()
	var ended func()
	if told != nil {
		o.listed = make(chan struct{})
		ended = func() {
			defer close(o.listed)
			told.add(handle)
		}
	}
	o.handle = handle
	work, err := start(ended)
	if err != nil {
		return 0, err
	}
	o.work = work
	return handle, nil
}

func (o *operation) underway() underway {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.work
}

// wait waits for the end of the operation; 0 is without a limit of its own.
func (o *operation) wait(limit time.Duration) error {
	var expired <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		expired = timer.C
	}
	work := o.underway()
	if call, ok := work.(*capelib.Call); ok {
		call.Linger()
	}
	select {
	case <-work.Done():
		if o.listed != nil {
			<-o.listed // at once; whoever waited finds it in the queue, ahead of what ends later
		}
	case <-o.closed:
	case <-expired:
		return capelib.NewError("timeout.wait", "the operation has not ended yet: wait again, or cancel it")
	}
	select {
	case <-o.closed:
		return capelib.NewError("closed.operation", "the operation was closed while a call waited for it")
	default:
		return nil
	}
}

// outcome hands over what the operation came to, and its bytes into buffer; nil wants no report.
// A connection has to have a place to go to. length is also set when buffer is too small for it.
func (o *operation) outcome(buffer []byte, place bool) (conn uint64, length int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.taken {
		return 0, 0, unknown()
	}
	select {
	case <-o.work.Done():
	default:
		return 0, 0, capelib.NewError("timeout.pending", "the operation has not ended yet: wait for it first")
	}
	switch work := o.work.(type) {
	case *capelib.Call:
		output, err := work.Result()
		return o.handOver(output, buffer, err)
	case *capelib.Requesting:
		output, err := work.Result()
		if err != nil && buffer != nil {
			output = encodeReport(capelib.AsError(err).Report)
		}
		return o.handOver(output, buffer, err)
	case *capelib.Connecting:
		if !place {
			return 0, 0, capelib.NewError("argument.null", "conn is NULL, and the operation is a connect: pass the address of a variable")
		}
		session, err := work.Result()
		report, size := reportOf(session, err), 0
		if buffer != nil {
			size = len(report)
		}
		if size > len(buffer) {
			return 0, size, tooSmall(size, len(buffer))
		}
		o.end()
		if err != nil {
			return 0, copy(buffer, report), err
		}
		if conn, err = handles.add(connection, session); err != nil {
			_ = session.Close()
			return 0, 0, err
		}
		return conn, copy(buffer, report), nil
	}
	return 0, 0, unknown()
}

// handOver ends the operation by copying what it came to, if buffer has room for it, which it
// leaves nowhere else. The caller holds the lock.
func (o *operation) handOver(output, buffer []byte, failure error) (conn uint64, length int, err error) {
	if len(output) > len(buffer) {
		return 0, len(output), tooSmall(len(output), len(buffer))
	}
	o.end()
	length = copy(buffer, output)
	clear(output)
	return 0, length, failure
}

// end frees the handle. The caller holds the lock.
func (o *operation) end() {
	o.taken = true
	_, _ = handles.remove(o.handle)
}

// Close gives the operation up, and wipes an outcome that nobody has taken.
func (o *operation) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.closed)
	if o.taken {
		return nil
	}
	o.taken = true
	o.work.Cancel()
	switch work := o.work.(type) {
	case *capelib.Call:
		output, _ := work.Result() // at once, after Cancel
		clear(output)
	case *capelib.Requesting:
		return work.Close()
	case *capelib.Connecting:
		if session, err := work.Result(); err == nil {
			return session.Close()
		}
	}
	return nil
}

// reportOf is the report of a connect as JSON, or nil where no document was examined.
func reportOf(session *capelib.Conn, err error) []byte {
	if err != nil {
		return encodeReport(capelib.AsError(err).Report)
	}
	return encodeReport(session.Report())
}

func encodeReport(report *capelib.Report) []byte {
	if report == nil {
		return nil
	}
	encoded, err := json.Marshal(report)
	if err != nil {
		panic(err) // texts and numbers cannot fail
	}
	return encoded
}

func tooSmall(need, have int) error {
	return capelib.NewError("limit.buffer", fmt.Sprintf("the buffer has %d bytes and %d are needed: call again with a larger one", have, need))
}
