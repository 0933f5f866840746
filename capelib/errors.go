package capelib

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/libcape/libcape/core/wire"
)

// Code is the class of an error, the same number in every language; cape.h documents each.
type Code int32

// The codes of cape.h.
const (
	CodeArgument    Code = -1
	CodeHandle      Code = -2
	CodeConnect     Code = -3
	CodeTLS         Code = -4
	CodeAuth        Code = -5
	CodeAttestation Code = -6
	CodePolicy      Code = -7
	CodeProtocol    Code = -8
	CodeFunction    Code = -9
	CodeTimeout     Code = -10
	CodeCancelled   Code = -11
	CodeClosed      Code = -12
	CodeLimit       Code = -13
	CodeMemory      Code = -14
	CodeForked      Code = -15
	CodePanic       Code = -16
)

// codes gives the code for the first word of a reason. What is not listed is a step of the
// verification, such as "chain" or "cose".
var codes = map[string]Code{
	"argument": CodeArgument, "handle": CodeHandle, "connect": CodeConnect, "tls": CodeTLS,
	"auth": CodeAuth, "policy": CodePolicy, "protocol": CodeProtocol, "serdio": CodeProtocol,
	"function": CodeFunction, "timeout": CodeTimeout, "cancelled": CodeCancelled,
	"closed": CodeClosed, "limit": CodeLimit, "memory": CodeMemory, "forked": CodeForked,
	"panic": CodePanic,
}

// Error is every error of this library.
type Error struct {
	Code    Code
	Reason  string  // a stable word that says more than the code, such as "chain.expired"
	Message string  // one line: what happened, to what, and what to do
	Report  *Report // of the verification, where one took place; otherwise nil
	cause   error
}

func (e *Error) Error() string { return e.Message }

// Unwrap gives what the network or the parser said, where anything did.
func (e *Error) Unwrap() error { return e.cause }

// Is says that a call which ended by its deadline, or was cancelled, is what errors of contexts are.
func (e *Error) Is(target error) bool {
	return target == context.DeadlineExceeded && e.Code == CodeTimeout || target == context.Canceled && e.Code == CodeCancelled
}

// origins is what lies at the bottom of an error, such as what the operating system said, in
// brackets.
func origins(err error) string {
	text, bottom := err.Error(), err
	for next := errors.Unwrap(bottom); next != nil; next = errors.Unwrap(next) {
		bottom = next
	}
	if bottom.Error() == text {
		return ""
	}
	return " (" + bottom.Error() + ")"
}

// NewError makes an error of this library from its reason, whose first word decides the code.
func NewError(reason, message string) *Error {
	first, _, _ := strings.Cut(reason, ".")
	code, ok := codes[first]
	if !ok {
		code = CodeAttestation
	}
	return &Error{Code: code, Reason: reason, Message: printable(message)}
}

// AsError gives any error of this library as an [*Error], and nil for nil. An error without a
// reason is reported as a defect.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var own *Error
	var said *wire.ServerError
	var reasoned interface {
		error
		ErrorReason() string
	}
	var result *Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &said):
		result = NewError("function.error", said.Text)
		if said.Text == "" {
			result.Message = "the function failed without saying why: look in the enclave's log"
		}
	case errors.As(err, &reasoned):
		result = NewError(reasoned.ErrorReason(), reasoned.Error())
	default:
		result = NewError("panic.unexpected", "an error without a reason, which is a defect of the library: "+err.Error())
	}
	result.cause = err
	return result
}

// waitError says that a call was given up, and whether its request may have run. callee is which
// function it is for, and where; limit is 0 where another's deadline ended it.
func waitError(callee string, limit time.Duration, cancelled, sent bool) *Error {
	reason, what := "timeout", "the deadline"
	switch {
	case cancelled:
		reason, what = "cancelled", "the call of "+callee+" was cancelled"
	case limit > 0:
		what += " of " + limit.String() + " for " + callee + " passed"
	default:
		what += " for " + callee + " passed"
	}
	if sent {
		return NewError(reason+".outcome_unknown", what+" after the request was sent: the function may have run")
	}
	return NewError(reason+".not_sent", what+" before the request was sent: it can be repeated safely")
}

// shortestSecret is the length of a token, in bytes, from which on it is cut out of what a peer
// says. A shorter one would be found in any text.
const shortestSecret = 8

func withoutSecret(text, secret string) string {
	if len(secret) < shortestSecret {
		return text
	}
	return strings.ReplaceAll(text, secret, "[token]")
}

// printable makes a text that a peer may have chosen fit for a terminal and a log: one line,
// without control characters.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
