package capelib

import "github.com/libcape/libcape/core/serdio"

// SerdioEncode encodes arguments given as JSON, {"args": [...], "kwargs": {...}}, for a function
// that takes serdio. A number with a fraction or an exponent becomes a 64-bit float.
func SerdioEncode(arguments []byte) ([]byte, error) {
	encoded, err := serdio.EncodeJSON(arguments)
	if err != nil {
		return nil, AsError(err)
	}
	return encoded, nil
}

// SerdioDecode decodes a serdio result into JSON. A value that JSON cannot express, such as
// bytes, is an error that says so.
func SerdioDecode(data []byte) ([]byte, error) {
	decoded, err := serdio.DecodeJSON(data)
	if err != nil {
		return nil, AsError(err)
	}
	return decoded, nil
}
