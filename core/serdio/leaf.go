package serdio

import (
	"fmt"
	"unicode/utf8"
)

// plain turns the rarer numbers of Go into those of serdio, and says whether v was one.
func plain(v any) (any, bool) {
	switch v := v.(type) {
	case int8:
		return int64(v), true
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case uint:
		return uint64(v), true
	case uint8:
		return uint64(v), true
	case uint16:
		return uint64(v), true
	case uint32:
		return uint64(v), true
	case uintptr:
		return uint64(v), true
	case float32:
		return float64(v), true
	case complex64:
		return complex128(v), true
	}
	return nil, false
}

// leaf measures a value that holds no others.
func (p *plan) leaf(v any, id *identity) (int64, error) {
	var size int64
	var self identity
	switch v := v.(type) {
	case nil:
		size, self = 1, identity{kindNil}
	case bool:
		size, self = 1, p.ids.boolean(v)
	case int:
		size, self = sizeOfInt(int64(v)), p.ids.integer(int64(v))
	case int64:
		size, self = sizeOfInt(v), p.ids.integer(v)
	case uint64:
		size, self = sizeOfUint(v), identity{kindNatural, v}
	case float64:
		size, self = 9, p.ids.float(v)
	case complex128:
		size, self = sizeOfComplex, p.ids.complex(v)
	case string:
		if !utf8.ValidString(v) {
			return 0, argument("a string is not UTF-8: give bytes as []byte")
		}
		size = sizeOfTextHeader(len(v)) + int64(len(v))
		if id != nil {
			self = p.ids.text(v)
		}
	case []byte:
		size = sizeOfBytesHeader(len(v)) + int64(len(v))
		if id != nil {
			self = p.ids.bytes(kindBytes, v)
		}
	case Ext:
		if v.Code >= extComplex && v.Code <= extFrozenSet {
			return 0, argument(fmt.Sprintf("an extension has the code %d, which is serdio's own: take another", v.Code))
		}
		size = sizeOfExtHeader(int64(len(v.Data))) + int64(len(v.Data))
		if id != nil {
			self = p.ids.ext(v)
		}
	default:
		if number, ok := plain(v); ok {
			return p.leaf(number, id)
		}
		return 0, argument(fmt.Sprintf("a value of type %T has no form in serdio: convert it to a type that serdio knows", v))
	}
	if id != nil {
		*id = self
	}
	return fits(size)
}
