package serdio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// EncodeJSON encodes a call given as JSON: {"args": [...], "kwargs": {...}}, of which either may be
// absent. An object becomes a [Map] in the order of its names, an array a list, a number with a
// fraction or an exponent a float, any other an integer of -2^63 to 2^64-1.
//
// The JSON must be UTF-8, one value, without a name that stands twice in an object or half of a
// surrogate pair. It fails with an [*Error] of reason "argument.json", or "argument.serdio" for a
// number out of range and for what [Encode] refuses.
func EncodeJSON(data []byte) ([]byte, error) {
	if !utf8.Valid(data) {
		return nil, badJSON("is not UTF-8")
	}
	if !json.Valid(data) {
		return nil, syntaxError(data)
	}
	reader := jsonReader{text: data}
	value, err := reader.value(level{})
	if err != nil {
		return nil, err
	}
	call, ok := value.(Map)
	if !ok {
		return nil, badJSON(`is not an object: give {"args": [...], "kwargs": {...}}`)
	}
	var args []any
	var kwargs Map
	for _, pair := range call {
		var ok bool
		switch pair.Key {
		case "args":
			args, ok = pair.Value.([]any)
		case "kwargs":
			kwargs, ok = pair.Value.(Map)
		default:
			return nil, badJSON(`has a name other than "args" and "kwargs": put the arguments under these`)
		}
		if !ok {
			return nil, badJSON(`must have an array under "args" and an object under "kwargs"`)
		}
	}
	return Encode(args, kwargs)
}

func badJSON(how string) error {
	return &Error{"argument.json", "the JSON of the arguments " + how}
}

func syntaxError(data []byte) error {
	var syntax *json.SyntaxError
	var raw json.RawMessage
	if errors.As(json.Unmarshal(data, &raw), &syntax) {
		return badJSON(fmt.Sprintf("is malformed at byte %d: give one JSON object", syntax.Offset))
	}
	return badJSON("is malformed: give one JSON object")
}

// jsonReader reads text that json.Valid has passed, so that it need not look for errors of syntax.
type jsonReader struct {
	text []byte
	at   int
}

func (r *jsonReader) space() {
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n", r.text[r.at]) >= 0 {
		r.at++
	}
}

// skip passes over space, the byte c if it is next, and space. It tells whether c was there.
func (r *jsonReader) skip(c byte) bool {
	r.space()
	if r.at == len(r.text) || r.text[r.at] != c {
		return false
	}
	r.at++
	r.space()
	return true
}

func (r *jsonReader) value(l level) (any, error) {
	if l.inner > maxInner+1 {
		return nil, argument("the JSON of the arguments is nested too deep: at most 511 arrays and maps in one another, 1024 with those around tuples and sets")
	}
	r.space()
	switch r.text[r.at] {
	case '{':
		return r.object(l)
	case '[':
		return r.array(l)
	case '"':
		return r.string()
	case 't':
		r.at += len("true")
		return true, nil
	case 'f':
		r.at += len("false")
		return false, nil
	case 'n':
		r.at += len("null")
		return nil, nil
	}
	return r.number()
}

func (r *jsonReader) object(l level) (any, error) {
	pairs := Map{}
	names := make(map[string]bool)
	for r.skip('{'); !r.skip('}'); r.skip(',') {
		start := r.at
		key, err := r.string()
		if err != nil {
			return nil, err
		}
		name := key.(string)
		if names[name] {
			return nil, badJSON(fmt.Sprintf("has a name twice in one object, at byte %d: give each once", start))
		}
		names[name] = true
		r.skip(':')
		value, err := r.value(l.within())
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, Pair{name, value})
	}
	return pairs, nil
}

func (r *jsonReader) array(l level) (any, error) {
	items := []any{}
	for r.skip('['); !r.skip(']'); r.skip(',') {
		item, err := r.value(l.within())
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func (r *jsonReader) number() (any, error) {
	start := r.at
	for r.at < len(r.text) && strings.IndexByte("+-.0123456789Ee", r.text[r.at]) >= 0 {
		r.at++
	}
	literal := string(r.text[start:r.at])
	if strings.ContainsAny(literal, ".eE") {
		float, err := strconv.ParseFloat(literal, 64)
		if err != nil || math.IsInf(float, 0) {
			return nil, argument(fmt.Sprintf("the number at byte %d of the JSON is beyond a 64-bit float", start))
		}
		return float, nil
	}
	if integer, err := strconv.ParseInt(literal, 10, 64); err == nil {
		return integer, nil
	}
	natural, err := strconv.ParseUint(literal, 10, 64)
	if err != nil {
		return nil, argument(fmt.Sprintf("the integer at byte %d of the JSON is not within -2^63 to 2^64-1: give it as a float or as text", start))
	}
	return natural, nil
}

// string reads a string or a name.
func (r *jsonReader) string() (any, error) {
	r.at++
	if n := bytes.IndexAny(r.text[r.at:], `"\`); r.text[r.at+n] == '"' {
		text := string(r.text[r.at : r.at+n])
		r.at += n + 1
		return text, nil
	}
	var text []byte
	for {
		switch c := r.text[r.at]; c {
		case '"':
			r.at++
			return string(text), nil
		case '\\':
			char, err := r.escape()
			if err != nil {
				return nil, err
			}
			text = utf8.AppendRune(text, char)
		default:
			text = append(text, c)
			r.at++
		}
	}
}

// escape reads one escape, or the two of a surrogate pair.
func (r *jsonReader) escape() (rune, error) {
	letter := r.text[r.at+1]
	if letter != 'u' {
		r.at += 2
		if n := strings.IndexByte("bfnrt", letter); n >= 0 {
			return rune("\b\f\n\r\t"[n]), nil
		}
		return rune(letter), nil
	}
	start := r.at
	char := r.unit()
	if utf16.IsSurrogate(char) {
		if bytes.HasPrefix(r.text[r.at:], []byte(`\u`)) {
			char = utf16.DecodeRune(char, r.unit())
		}
		if char == utf8.RuneError || utf16.IsSurrogate(char) {
			return 0, badJSON(fmt.Sprintf("has half of a surrogate pair at byte %d: give both halves", start))
		}
	}
	return char, nil
}

// unit reads \u and four hex digits.
func (r *jsonReader) unit() rune {
	n, _ := strconv.ParseUint(string(r.text[r.at+2:r.at+6]), 16, 16)
	r.at += 6
	return rune(n)
}
