package wire

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// maxErrorText bounds what is kept of a peer's error text, in bytes.
const maxErrorText = 4096

// decodeEnvelope returns the members of {"message": {...}}, or what {"error": ...} says. A null
// error is treated as none, a null message beside an error as absent.
func decodeEnvelope(frame []byte) (map[string]json.RawMessage, error) {
	outer, err := decodeObject(frame, "the message")
	if err != nil {
		return nil, err
	}
	if raw, ok := outer["error"]; ok && !isNull(raw) {
		text, err := decodeString(raw, "the error")
		if err != nil {
			return nil, err
		}
		return nil, &ServerError{Text: oneLine(text)}
	}
	raw, ok := outer["message"]
	if !ok || isNull(raw) {
		return nil, &Error{"protocol.message", "the peer's message has neither \"message\" nor \"error\""}
	}
	return decodeObject(raw, "the message")
}

// decodeObject splits a JSON object into its members. It refuses invalid UTF-8, trailing data
// and duplicate names, of which encoding/json would take the last one silently. Names are
// compared exactly.
func decodeObject(data []byte, what string) (map[string]json.RawMessage, error) {
	fail := func(how string) error {
		return &Error{"protocol.json", what + " " + how + ": is the peer a Cape enclave?"}
	}
	if !utf8.Valid(data) {
		return nil, fail("is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	token, err := decoder.Token()
	if err != nil {
		return nil, fail("is not JSON")
	}
	if token != json.Delim('{') {
		return nil, fail("is not a JSON object")
	}
	members := make(map[string]json.RawMessage)
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, fail("is not JSON")
		}
		name, ok := token.(string)
		if !ok {
			return nil, fail("is not JSON")
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, fail("is not JSON")
		}
		if _, twice := members[name]; twice {
			return nil, fail("has a name twice")
		}
		members[name] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, fail("is not JSON")
	}
	if len(bytes.TrimSpace(data[decoder.InputOffset():])) > 0 {
		return nil, fail("has trailing data")
	}
	return members, nil
}

func decodeString(raw json.RawMessage, what string) (string, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '"' {
		return "", &Error{"protocol.message", what + " is not a JSON string"}
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", &Error{"protocol.json", what + " is not a JSON string"}
	}
	return text, nil
}

func isNull(raw json.RawMessage) bool {
	return string(bytes.TrimSpace(raw)) == "null"
}

// oneLine makes a peer's text fit for an error message: bounded, printable, one line.
func oneLine(text string) string {
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "") + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, text)
}
