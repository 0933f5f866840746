package serdio

import "errors"

// Error is a failure to encode or decode. Its text never holds a value.
//
// Reasons of encoding: "argument.serdio" (a value has no form in serdio) and "argument.json" (the
// JSON given to [EncodeJSON] is not what it takes).
//
// Reasons of decoding:
//
//	serdio.truncated  the data ends too early, or is empty
//	serdio.trailing   the data, or the payload of an extension, goes on after its value
//	serdio.format     the byte c1, which MessagePack does not use
//	serdio.envelope   the data is not a map with the arguments, or they are not what they must be
//	serdio.type       a complex number, tuple or set does not hold what it must
//	serdio.key        a map key that Python cannot hash, or a keyword that is not text
//	serdio.depth      nested too deep
//	serdio.utf8       text that is not UTF-8
//	serdio.not_json   a value that JSON cannot say; from [DecodeJSON] only
type Error struct {
	Reason string // a stable word
	Text   string // one line: what happened, to what, and what to do
}

func (e *Error) Error() string { return e.Text }

// ErrorReason is Reason, for those who know errors of several packages by it.
func (e *Error) ErrorReason() string { return e.Reason }

func argument(text string) error { return &Error{"argument.serdio", text} }

func malformed(kind, text string) error { return &Error{"serdio." + kind, text} }

// errUnhashable says that an element or key is, or holds, a list, a map or a set. Whoever asked
// for the identity turns it into an [Error] that says which.
var errUnhashable = errors.New("a list, map or set cannot be hashed")
