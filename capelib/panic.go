package capelib

import (
	"fmt"
	"path/filepath"
	"runtime"
)

// Panicked describes a recovered panic as an error of code [CodePanic], and logs where it was. To
// be called by the deferred function that recovered. The value is named by its type alone unless
// the runtime made it, for anything else might carry a payload.
func Panicked(value any) *Error {
	what := fmt.Sprintf("%T", value)
	if fault, ok := value.(runtime.Error); ok {
		what = fault.Error()
	}
	failure := NewError("panic.recovered", "the library failed inside ("+what+
		"): please report this; close the handle, others can be used further")
	logf(LevelError, "%s: %s%s", failure.Reason, what, origin())
	return failure
}

// origin is where a panic that is being recovered came from: the functions above the runtime's,
// innermost first, without their arguments.
func origin() string {
	var callers [32]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers[:])])
	at, panicking, listed := "", false, 0
	for {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic" || frame.Function == "runtime.sigpanic":
			panicking = true
		case panicking && listed < 5:
			listed++
			at += fmt.Sprintf(", at %s:%d", filepath.Base(frame.File), frame.Line)
		}
		if !more {
			return at
		}
	}
}
