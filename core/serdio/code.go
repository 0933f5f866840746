package serdio

// codeKind is what the first byte of a MessagePack value announces.
type codeKind int

const (
	codeScalar codeKind = iota
	codeText
	codeBytes
	codeArray
	codeMap
	codeExt
)

// First bytes of scalars, in MessagePack's specification.
const (
	codeNil    = 0xc0
	codeUnused = 0xc1
	codeFalse  = 0xc2
	codeTrue   = 0xc3
	codeFloat  = 0xca
	codeDouble = 0xcb
	codeUint64 = 0xcf
)

func kindOf(code byte) codeKind {
	switch {
	case code >= 0x80 && code <= 0x8f, code == 0xde, code == 0xdf:
		return codeMap
	case code >= 0x90 && code <= 0x9f, code == 0xdc, code == 0xdd:
		return codeArray
	case code >= 0xa0 && code <= 0xbf, code >= 0xd9 && code <= 0xdb:
		return codeText
	case code >= 0xc4 && code <= 0xc6:
		return codeBytes
	case code >= 0xc7 && code <= 0xc9, code >= 0xd4 && code <= 0xd8:
		return codeExt
	}
	return codeScalar
}
