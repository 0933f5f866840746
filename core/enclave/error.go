package enclave

import "fmt"

// Error says why an enclave cannot start or a fault cannot be set. Reason is a stable word:
// "argument.options", "argument.functions", "argument.listen", "argument.python",
// "argument.fault", or "panic.recovered" for a defect here.
type Error struct {
	Reason string
	Text   string
	Err    error // what the system said, or nil
}

func (e *Error) Error() string { return e.Text }

// ErrorReason is Reason, for those who know errors of several packages by it.
func (e *Error) ErrorReason() string { return e.Reason }
func (e *Error) Unwrap() error       { return e.Err }

func fail(reason string, err error, format string, args ...any) error {
	return &Error{Reason: reason, Text: fmt.Sprintf(format, args...), Err: err}
}
