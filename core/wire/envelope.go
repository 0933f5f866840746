package wire

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// maxErrorText bounds what is kept of a peer's error text, in bytes.
const maxErrorText = 4096

// object is a JSON object whose values are not yet looked into.
type object []member

// get returns a member's value, and whether it is there and not null.
func (o object) get(name string) (value, bool) {
	for _, m := range o {
		if m.name == name {
			return m.value, string(m.value.raw) != "null"
		}
	}
	return value{}, false
}

// decodeEnvelope returns the members of {"message": {...}}, or what {"error": ...} says. A null
// error is treated as none, a null message beside an error as absent.
func decodeEnvelope(frame []byte) (object, error) {
	s := scanner{data: frame}
	members, ok := s.object(1)
	if !ok || !s.atEnd() {
		return nil, &Error{"protocol.json", "the peer's message is not a JSON object with distinct names: is the peer a Cape enclave?"}
	}
	outer := object(members)
	if raw, ok := outer.get("error"); ok {
		text, err := decodeString(raw, "the error")
		if err != nil {
			return nil, err
		}
		return nil, &ServerError{Text: oneLine(text)}
	}
	raw, ok := outer.get("message")
	if !ok {
		return nil, &Error{"protocol.message", "the peer's message has neither \"message\" nor \"error\""}
	}
	return decodeObject(raw, "the message")
}

func decodeObject(v value, what string) (object, error) {
	if v.raw[0] != '{' {
		return nil, &Error{"protocol.message", what + " is not a JSON object"}
	}
	return v.members, nil
}

func decodeString(v value, what string) (string, error) {
	if v.raw[0] != '"' {
		return "", &Error{"protocol.message", what + " is not a JSON string"}
	}
	return string(unquote(v.raw)), nil
}

// oneLine makes a peer's text fit for an error message: bounded and one line.
func oneLine(text string) string {
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "") + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
}

// hasLineBreak finds what Go's base64 decoder would skip.
func hasLineBreak(text []byte) bool {
	return bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0
}
