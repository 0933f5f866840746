package serdio

import (
	"math"
	"strconv"
)

// DecodeJSON decodes what [Decode] does, and returns [Call.Value] as JSON: a tuple as an array, a
// float always with a fraction or an exponent, an integer never with one, a map in the order of
// the wire. Without an argument the answer is an empty array.
//
// Beside the errors of Decode it fails with reason "serdio.not_json" for what JSON cannot say:
// bytes, sets, complex numbers, extensions, map keys that are not text, NaN and infinities.
func DecodeJSON(data []byte) ([]byte, error) {
	call, err := Decode(data)
	if err != nil {
		return nil, err
	}
	return appendJSON(nil, call.Value())
}

func appendJSON(out []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(out, "null"...), nil
	case bool:
		return strconv.AppendBool(out, v), nil
	case int64:
		return strconv.AppendInt(out, v, 10), nil
	case uint64:
		return strconv.AppendUint(out, v, 10), nil
	case float64:
		return appendFloat(out, v)
	case string:
		return appendText(out, v), nil
	case []any:
		return appendArray(out, v)
	case Tuple:
		return appendArray(out, v)
	case Map:
		return appendObject(out, v)
	case []byte:
		return nil, notJSON("bytes")
	case complex128:
		return nil, notJSON("a complex number")
	case Set:
		return nil, notJSON("a set")
	case FrozenSet:
		return nil, notJSON("a frozenset")
	case Ext:
		return nil, notJSON("an extension of code " + strconv.Itoa(int(v.Code)))
	}
	return nil, notJSON("a value of another type")
}

func notJSON(what string) error {
	return malformed("not_json", "the serdio data holds "+what+", which JSON cannot say: read it with a MessagePack library, or have the function return something else")
}

func appendArray(out []byte, items []any) ([]byte, error) {
	out = append(out, '[')
	for n, item := range items {
		if n > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendJSON(out, item); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

func appendObject(out []byte, pairs Map) ([]byte, error) {
	out = append(out, '{')
	for n, pair := range pairs {
		if n > 0 {
			out = append(out, ',')
		}
		name, ok := pair.Key.(string)
		if !ok {
			return nil, notJSON("a map with a key that is not text")
		}
		out = append(appendText(out, name), ':')
		var err error
		if out, err = appendJSON(out, pair.Value); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

func appendFloat(out []byte, f float64) ([]byte, error) {
	switch {
	case math.IsNaN(f):
		return nil, notJSON("a float that is not a number")
	case math.IsInf(f, 0):
		return nil, notJSON("an infinite float")
	}
	// Written in full between these bounds, as JavaScript does.
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
		return strconv.AppendFloat(out, f, 'e', -1, 64), nil
	}
	start := len(out)
	out = strconv.AppendFloat(out, f, 'f', -1, 64)
	for _, c := range out[start:] {
		if c == '.' {
			return out, nil
		}
	}
	return append(out, ".0"...), nil
}

func appendText(out []byte, text string) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	start := 0
	for n := range len(text) {
		c := text[n]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		out = append(out, text[start:n]...)
		start = n + 1
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\n':
			out = append(out, `\n`...)
		case '\r':
			out = append(out, `\r`...)
		case '\t':
			out = append(out, `\t`...)
		default:
			out = append(out, `\u00`...)
			out = append(out, hex[c>>4], hex[c&15])
		}
	}
	out = append(out, text[start:]...)
	return append(out, '"')
}
