package main

import (
	"strings"
	"testing"

	"github.com/libcape/libcape/capelib"
)

func TestProtectTurnsAPanicIntoAnErrorWithoutItsContent(t *testing.T) {
	t.Parallel()
	err := protect(func() error { panic("the payload") })
	wantReason(t, err, "panic.recovered")
	if strings.Contains(err.Error(), "the payload") {
		t.Errorf("the message repeats the panic's value: %v", err)
	}
	var empty []error
	err = protect(func() error { return empty[len(empty)] })
	wantReason(t, err, "panic.recovered")
	if !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("the message does not say what the runtime found: %v", err)
	}
}

func TestAPanicPoisonsItsHandleOnly(t *testing.T) {
	t.Parallel()
	poisoned, other := mustAdd(t, &handles, connection), mustAdd(t, &handles, connection)
	fine := func(nothing) error { return nil }

	wantReason(t, use(poisoned, connection, func(nothing) error { panic(t) }), "panic.recovered")
	wantReason(t, use(poisoned, connection, fine), "panic.recovered")
	if err := use(other, connection, fine); err != nil {
		t.Errorf("another handle: %v", err)
	}
	if _, err := handles.remove(poisoned); err != nil {
		t.Errorf("closing the poisoned one: %v", err)
	}
	wantReason(t, use(poisoned, connection, fine), "handle.unknown")
}

func TestAnErrorFromAGoroutinesPanicPoisonsTheHandle(t *testing.T) {
	t.Parallel()
	handle := mustAdd(t, &handles, connection)
	refused := capelib.NewError("closed.not_sent", "the connection is closed")
	wantReason(t, use(handle, connection, func(nothing) error { return refused }), "closed.not_sent")
	panicked := capelib.NewError("panic.recovered", "a goroutine failed")
	wantReason(t, use(handle, connection, func(nothing) error { return panicked }), "panic.recovered")
	wantReason(t, use(handle, connection, func(nothing) error { return nil }), "panic.recovered")
}
