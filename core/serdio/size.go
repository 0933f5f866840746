package serdio

import "math"

// sizeOfUint and the rest are the numbers of bytes that MessagePack's shortest form takes.
func sizeOfUint(n uint64) int64 {
	switch {
	case n <= math.MaxInt8:
		return 1
	case n <= math.MaxUint8:
		return 2
	case n <= math.MaxUint16:
		return 3
	case n <= math.MaxUint32:
		return 5
	}
	return 9
}

func sizeOfInt(n int64) int64 {
	switch {
	case n >= 0:
		return sizeOfUint(uint64(n))
	case n >= -32:
		return 1
	case n >= math.MinInt8:
		return 2
	case n >= math.MinInt16:
		return 3
	case n >= math.MinInt32:
		return 5
	}
	return 9
}

func sizeOfTextHeader(n int) int64 {
	switch {
	case n < 32:
		return 1
	case n <= math.MaxUint8:
		return 2
	case n <= math.MaxUint16:
		return 3
	}
	return 5
}

func sizeOfBytesHeader(n int) int64 {
	switch {
	case n <= math.MaxUint8:
		return 2
	case n <= math.MaxUint16:
		return 3
	}
	return 5
}

// sizeOfComplex is that of extension 1 around extension 2 around an array of two floats.
const sizeOfComplex = 3 + 3 + 1 + 9 + 9

// sizeOfHeader is for arrays and maps.
func sizeOfHeader(n int) int64 {
	switch {
	case n < 16:
		return 1
	case n <= math.MaxUint16:
		return 3
	}
	return 5
}

func sizeOfExtHeader(n int64) int64 {
	switch {
	case n == 1 || n == 2 || n == 4 || n == 8 || n == 16:
		return 2
	case n <= math.MaxUint8:
		return 3
	case n <= math.MaxUint16:
		return 4
	}
	return 6
}
