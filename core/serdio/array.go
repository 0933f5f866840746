package serdio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Array is an array of numpy, or a scalar of one of its types.
type Array struct {
	// Type is numpy's name of the elements' type, with the byte order: "<f8" is a float64, "|b1" a
	// bool, "<U5" text of up to 5 characters, "<M8[ns]" a datetime64. A scalar may also be of type
	// "U", text in UTF-8, or "S", bytes.
	Type string
	// Shape holds the lengths along up to 32 dimensions. Without any there is one element.
	Shape []int
	// Data holds the elements, the last dimension first, each with its low byte first.
	Data []byte
	// Scalar tells a scalar of numpy from an array without dimensions.
	Scalar bool
}

const (
	maxDimensions  = 32
	maxArrayHeader = 1024
	maxAddress     = 1 << 62
)

var portableType = regexp.MustCompile(`^(?:\|b1|\|[iu]1|<[iu][248]|<f[248]|<c(?:8|16)|<U[1-9][0-9]{0,8}|\|S[1-9][0-9]{0,8}` +
	`|<[mM]8(?:\[(?:[2-9]|[1-9][0-9]{1,8})?(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)$`)

var typeSize = regexp.MustCompile(`^.[a-zA-Z]([0-9]+)`)

// Ext is the array for Encode. Its data is copied.
func (a Array) Ext() (Ext, error) {
	if fault := a.fault(); fault != "" {
		return Ext{}, argument("an array of numpy " + fault)
	}
	code := CodeArray
	if a.Scalar {
		code = CodeScalar
	}
	header := a.Type
	for _, dimension := range a.Shape {
		header += " " + strconv.Itoa(dimension)
	}
	return Ext{code, append([]byte(header+"\n"), a.Data...)}, nil
}

// Array returns an array or a scalar of numpy. Its Data is part of the extension's.
func (e Ext) Array() (Array, error) {
	if e.Code != CodeArray && e.Code != CodeScalar {
		return Array{}, e.otherCode()
	}
	end := bytes.IndexByte(e.Data[:min(len(e.Data), maxArrayHeader)], '\n')
	if end < 0 {
		return Array{}, malformed("type", "an array of numpy in the serdio data does not begin with its type and its shape")
	}
	words := strings.Split(string(e.Data[:end]), " ")
	a := Array{Type: words[0], Data: e.Data[end+1:], Scalar: e.Code == CodeScalar}
	for _, word := range words[1:] {
		dimension, err := strconv.Atoi(word)
		if err != nil || strconv.Itoa(dimension) != word {
			return Array{}, malformed("type", "an array of numpy in the serdio data has a dimension that is no number")
		}
		a.Shape = append(a.Shape, dimension)
	}
	if fault := a.fault(); fault != "" {
		return Array{}, malformed("type", "an array of numpy in the serdio data "+fault)
	}
	return a, nil
}

// fault says what is wrong with the array, or nothing.
func (a Array) fault() string {
	if a.Scalar && len(a.Shape) > 0 {
		return "is a scalar, but has dimensions"
	}
	if a.Scalar && a.Type == "S" {
		return ""
	}
	if a.Scalar && a.Type == "U" {
		if !utf8.Valid(a.Data) {
			return "is text that is not UTF-8"
		}
		return ""
	}
	if !portableType.MatchString(a.Type) {
		return "has elements of a type that other machines do not know"
	}
	if len(a.Shape) > maxDimensions {
		return fmt.Sprintf("has more than %d dimensions", maxDimensions)
	}
	width, err := strconv.Atoi(typeSize.FindStringSubmatch(a.Type)[1])
	if err != nil {
		return "has elements that are too long"
	}
	if a.Type[1] == 'U' {
		width *= utf8.UTFMax
	}
	if size, ok := a.size(uint64(width)); !ok || size != uint64(len(a.Data)) {
		return "has more or fewer bytes than its shape says"
	}
	switch a.Type[1] {
	case 'b':
		if bytes.ContainsFunc(a.Data, func(r rune) bool { return r > 1 }) {
			return "holds a truth value that is neither 0 nor 1"
		}
	case 'U':
		for character := a.Data; len(character) > 0; character = character[utf8.UTFMax:] {
			if binary.LittleEndian.Uint32(character) > utf8.MaxRune {
				return "holds text with what is no character"
			}
		}
	}
	return ""
}

// size is the number of bytes of all elements, if they can be addressed. Dimensions beside one of
// length 0 must be possible too.
func (a Array) size(width uint64) (size uint64, ok bool) {
	size, addressed := width, width
	for _, dimension := range a.Shape {
		if dimension < 0 {
			return 0, false
		}
		high, low := bits.Mul64(addressed, uint64(max(dimension, 1)))
		if high != 0 || low > maxAddress {
			return 0, false
		}
		addressed = low
		size *= uint64(dimension)
	}
	return size, size <= math.MaxInt
}

// Element is a type of Go that numpy has too.
type Element interface {
	bool | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64 | complex64 | complex128
}

func typeOf[T Element]() string {
	switch any(*new(T)).(type) {
	case bool:
		return "|b1"
	case int8:
		return "|i1"
	case int16:
		return "<i2"
	case int32:
		return "<i4"
	case int64:
		return "<i8"
	case uint8:
		return "|u1"
	case uint16:
		return "<u2"
	case uint32:
		return "<u4"
	case uint64:
		return "<u8"
	case float32:
		return "<f4"
	case float64:
		return "<f8"
	case complex64:
		return "<c8"
	}
	return "<c16"
}

// ArrayOf makes an array of elements, the last dimension first. Without a shape it has one
// dimension.
func ArrayOf[T Element](elements []T, shape ...int) (Array, error) {
	if len(shape) == 0 {
		shape = []int{len(elements)}
	}
	data, err := binary.Append(nil, binary.LittleEndian, elements)
	if err != nil {
		return Array{}, argument(err.Error())
	}
	a := Array{Type: typeOf[T](), Shape: shape, Data: data}
	if fault := a.fault(); fault != "" {
		return Array{}, argument("an array of numpy " + fault)
	}
	return a, nil
}

// Elements returns the elements of an array whose type is T's, the last dimension first.
func Elements[T Element](a Array) ([]T, error) {
	if fault := a.fault(); fault != "" {
		return nil, argument("an array of numpy " + fault)
	}
	if a.Type != typeOf[T]() {
		return nil, argument(fmt.Sprintf("an array of numpy has elements of type %q, not %q", a.Type, typeOf[T]()))
	}
	width, _ := strconv.Atoi(a.Type[2:])
	elements := make([]T, len(a.Data)/width)
	if _, err := binary.Decode(a.Data, binary.LittleEndian, elements); err != nil {
		return nil, argument(err.Error())
	}
	return elements, nil
}
