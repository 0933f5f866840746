package main

import (
	"github.com/libcape/libcape/capelib"
)

// protect runs a call that C made, and turns a panic into an error: one that reached C would end
// the process.
func protect(call func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = capelib.Panicked(value)
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
