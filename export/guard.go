package main

import (
	"fmt"
	"runtime"

	"github.com/libcape/libcape/capelib"
)

// protect runs a call that C made, and turns a panic into an error: one that reached C would end
// the process.
func protect(call func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = panicked(value)
		}
	}()
	return call()
}

// use is protect for a call on the object behind a handle. After a panic, here or on a goroutine
// that works for the object, nobody knows the object's state: it is poisoned.
func use[T object](handle uint64, k kind, call func(T) error) error {
	entry, err := handles.find(handle, k)
	if err != nil {
		return err
	}
	err = protect(func() error { return call(entry.object.(T)) })
	if err != nil && capelib.AsError(err).Code == capelib.CodePanic {
		entry.poisoned.Store(true)
	}
	return err
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
