package attest

import (
	"bytes"
	"crypto/sha512"
)

// maxDocument bounds a document, in bytes. The security module's own answers end at 12 KiB; the
// largest that the limits of AWS's specification add up to (nine certificates of 1024 bytes, 32
// PCRs of 64, three optional fields of 1024) is 14.4 KiB and leaves room for a module id and
// members that are not known yet.
const maxDocument = 16 << 10

// CBOR major types (RFC 8949 section 3.1).
const (
	majorNegative = 1 // -1 less the value
	majorBytes    = 2
	majorText     = 3
	majorArray    = 4
	majorMap      = 5
	majorTag      = 6
)

const (
	infoIndefinite = 31
	tagSign1       = 18 // RFC 9052 section 2
	signatureSize  = 96
)

// protectedES384 is the one protected header there is: {1: -35}, ES384.
var protectedES384 = [...]byte{0xa1, 0x01, 0x38, 0x22}

// envelope is a COSE_Sign1 (RFC 9052 section 4.2). Its slices share memory with what was parsed.
type envelope struct {
	payloadItem []byte // the payload with its length, as the signature covers it
	payload     []byte
	signature   []byte // r and s, 48 bytes each
}

func cborError(reason, cause string) *Error {
	return &Error{Step: StepParse, Reason: reason, Cause: cause, Remedy: remedyDocument}
}

var (
	errTruncated  = cborError("cbor.truncated", "the document ends too early")
	errMalformed  = cborError("cbor.malformed", "the document is not well-formed CBOR")
	errNotMinimal = cborError("cbor.not_minimal", "a length in the document's envelope is longer than it need be")
	errTrailing   = cborError("cbor.trailing", "bytes follow the end of the document")
	errStructure  = cborError("cose.structure", "the document is no COSE_Sign1, an array of four")
	errAlgorithm  = cborError("cose.alg", "the document's algorithm is not ES384")
)

// parseEnvelope takes the envelope apart. It is this strict, down to lengths in their shortest
// form, because the signature does not cover the envelope: each other spelling would be a second
// document that verifies.
func parseEnvelope(document []byte) (*envelope, *Error) {
	h, rest, err := readHead(document)
	if err != nil {
		return nil, err
	}
	if h.major == majorTag {
		if h.value != tagSign1 || !h.minimal {
			return nil, cborError("cose.tag", "the document has a CBOR tag other than 18, COSE_Sign1")
		}
		if h, rest, err = readHead(rest); err != nil {
			return nil, err
		}
	}
	switch {
	case h.major != majorArray:
		return nil, errStructure
	case h.info == infoIndefinite:
		return nil, cborError("cbor.indefinite", "the document's envelope is an array of indefinite length")
	case h.value != 4:
		return nil, errStructure
	case !h.minimal:
		return nil, errNotMinimal
	}

	protected, _, rest, err := readBytes(rest, "cose.protected", "the protected header is no byte string")
	if err != nil {
		return nil, err
	}
	if err := checkProtected(protected); err != nil {
		return nil, err
	}

	if h, rest, err = readHead(rest); err != nil {
		return nil, err
	}
	if h.major != majorMap || h.info != 0 {
		return nil, cborError("cose.unprotected", "the unprotected header is not an empty map")
	}

	var e envelope
	if e.payload, e.payloadItem, rest, err = readBytes(rest, "cose.payload", "the payload is no byte string"); err != nil {
		return nil, err
	}
	if e.signature, _, rest, err = readBytes(rest, "cose.signature", "the signature is no byte string"); err != nil {
		return nil, err
	}
	if len(e.signature) != signatureSize {
		return nil, cborError("cose.signature_length", "the signature is not the 96 bytes of an ES384 signature")
	}
	if len(rest) != 0 {
		return nil, errTrailing
	}
	return &e, nil
}

func checkProtected(protected []byte) *Error {
	if bytes.Equal(protected, protectedES384[:]) {
		return nil
	}
	// {1: another algorithm}, and no header at all, are the attacks that have a name.
	if len(protected) == 0 || protected[0] == 0xa0 {
		return errAlgorithm
	}
	if len(protected) > 2 && protected[0] == 0xa1 && protected[1] == 0x01 {
		if h, rest, err := readHead(protected[2:]); err == nil && len(rest) == 0 && (h.major != majorNegative || h.value != 34) {
			return errAlgorithm
		}
	}
	return cborError("cose.protected", "the protected header is not {1: -35}, ES384 alone")
}

// sigStructure is the start of what a signature signs, the Sig_structure of RFC 9052 section
// 4.4: ["Signature1", protected header, no external data, payload].
const sigStructure = "\x84\x6aSignature1\x44\xa1\x01\x38\x22\x40"

func (e *envelope) digest() (digest [sha512.Size384]byte) {
	hash := sha512.New384()
	hash.Write([]byte(sigStructure))
	hash.Write(e.payloadItem)
	hash.Sum(digest[:0])
	return digest
}

// head is the first bytes of a CBOR item.
type head struct {
	major, info byte
	value       uint64
	size        int  // in bytes
	minimal     bool // value is in its shortest form
}

func readHead(data []byte) (head, []byte, *Error) {
	if len(data) == 0 {
		return head{}, nil, errTruncated
	}
	h := head{major: data[0] >> 5, info: data[0] & 31, size: 1, minimal: true}
	switch {
	case h.info < 24:
		h.value = uint64(h.info)
	case h.info < 28:
		n := 1 << (h.info - 24)
		if len(data) < 1+n {
			return head{}, nil, errTruncated
		}
		for _, b := range data[1 : 1+n] {
			h.value = h.value<<8 | uint64(b)
		}
		h.size += n
		if n == 1 {
			h.minimal = h.value >= 24
		} else {
			h.minimal = h.value>>(4*n) != 0
		}
	case h.info != infoIndefinite:
		return head{}, nil, errMalformed
	}
	return h, data[h.size:], nil
}

// readBytes takes a byte string off data. item is the string with its head.
func readBytes(data []byte, reason, cause string) (content, item, rest []byte, err *Error) {
	h, after, err := readHead(data)
	switch {
	case err != nil:
		return nil, nil, nil, err
	case h.major != majorBytes:
		return nil, nil, nil, cborError(reason, cause)
	case h.info == infoIndefinite:
		return nil, nil, nil, errChunked
	case h.value > uint64(len(after)):
		return nil, nil, nil, errTruncated
	case !h.minimal:
		return nil, nil, nil, errNotMinimal
	}
	n := int(h.value)
	return after[:n], data[:h.size+n], after[n:], nil
}
