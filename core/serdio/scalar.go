package serdio

import (
	"bytes"
	"math"
	"unicode/utf8"
)

func (d *decoder) scalar(code byte, id *identity) (any, error) {
	var value any
	var err error
	var self identity
	switch code {
	case codeUnused:
		return nil, malformed("format", "the serdio data holds the byte c1, which MessagePack does not use: it is damaged, or it is not serdio")
	case codeNil:
		err = d.mp.DecodeNil()
		self = identity{kindNil}
	case codeFalse, codeTrue:
		var b bool
		b, err = d.mp.DecodeBool()
		value, self = b, d.ids.boolean(b)
	case codeFloat, codeDouble:
		var f float64
		f, err = d.mp.DecodeFloat64()
		value, self = f, d.ids.float(f)
	case codeUint64:
		var n uint64
		n, err = d.mp.DecodeUint64()
		self = identity{kindNatural, n}
		if n <= math.MaxInt64 {
			value = int64(n)
		} else {
			value = n
		}
	default:
		var n int64
		n, err = d.mp.DecodeInt64()
		value, self = n, d.ids.integer(n)
	}
	if err != nil {
		return nil, errTruncated()
	}
	if id != nil {
		*id = self
	}
	return value, nil
}

func (d *decoder) text(id *identity) (any, error) {
	part, err := d.block()
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(part) {
		return nil, errUTF8()
	}
	text := string(part)
	if id != nil {
		*id = d.ids.text(text)
	}
	return text, nil
}

func (d *decoder) bytes(id *identity) (any, error) {
	part, err := d.block()
	if err != nil {
		return nil, err
	}
	if id != nil {
		*id = d.ids.bytes(kindBytes, part)
	}
	return bytes.Clone(part), nil
}

// block cuts out the content of text or bytes.
func (d *decoder) block() ([]byte, error) {
	n, err := d.mp.DecodeBytesLen()
	if err != nil {
		return nil, errTruncated()
	}
	return d.take(int64(n))
}

func errUTF8() error {
	return malformed("utf8", "text in the serdio data is not UTF-8: bytes must be sent as bytes")
}
