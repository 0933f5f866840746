package attest

import (
	"errors"
	"io"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

var errChunked = cborError("cbor.chunked", "the document has a string in chunks")

// payloadMode reads any value, so that the Go type tells exactly which CBOR type was there:
// decoding into typed fields takes null for zero and an array of numbers for a byte string.
var payloadMode = sync.OnceValue(func() cbor.DecMode {
	registry, err := cbor.NewSimpleValueRegistryFromDefaults(cbor.WithRejectedSimpleValue(23)) // undefined
	if err != nil {
		panic(err) // the options are constants
	}
	mode, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  8,
		MaxArrayElements: 64,
		MaxMapPairs:      64,
		IndefLength:      cbor.IndefLengthAllowed,
		TagsMd:           cbor.TagsForbidden,
		UTF8:             cbor.UTF8RejectInvalid,
		SimpleValues:     registry,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
})

func parsePayload(data []byte) (*payload, *Error) {
	var value any
	if err := payloadMode().Unmarshal(data, &value); err != nil {
		return nil, decodeError(err)
	}
	if err := checkStrings(data); err != nil {
		return nil, err
	}
	members, ok := value.(map[any]any)
	if !ok {
		return nil, cborError("document.structure", "the payload is not a map")
	}
	if members["pcrs"] == nil && members["nitrotpm_pcrs"] != nil {
		return nil, &Error{StepParse, "document.nitrotpm", "this is a NitroTPM document, of an instance and not of an enclave",
			"ask the enclave's own security module, /dev/nsm, for a document"}
	}
	return readMembers(members)
}

// checkStrings refuses strings in chunks, which no option of the decoder does. The data is
// well-formed and free of tags, so that every item's head follows the last one.
func checkStrings(data []byte) *Error {
	for len(data) > 0 {
		h, rest, err := readHead(data)
		if err != nil {
			return err
		}
		if h.major == majorBytes || h.major == majorText {
			if h.info == infoIndefinite {
				return errChunked
			}
			if h.value > uint64(len(rest)) {
				return errTruncated
			}
			rest = rest[h.value:]
		}
		data = rest
	}
	return nil
}

// decodeError names what the CBOR decoder found. Its texts quote content, and so go no further.
func decodeError(err error) *Error {
	var (
		duplicate *cbor.DupMapKeyError
		tag       *cbor.TagsMdError
		nested    *cbor.MaxNestedLevelError
		elements  *cbor.MaxArrayElementsError
		pairs     *cbor.MaxMapPairsError
		trailing  *cbor.ExtraneousDataError
	)
	switch {
	case errors.As(err, &duplicate):
		return cborError("cbor.duplicate_key", "a map in the document has a key twice")
	case errors.As(err, &tag):
		return cborError("cbor.tag", "the payload has a CBOR tag")
	case errors.As(err, &nested):
		return cborError("cbor.depth", "the payload is nested too deeply")
	case errors.As(err, &elements), errors.As(err, &pairs):
		return cborError("cbor.count", "an array or map in the payload has too many entries")
	case errors.As(err, &trailing):
		return cborError("cbor.trailing", "bytes follow the end of the payload")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return cborError("cbor.truncated", "the payload ends too early")
	}
	return cborError("cbor.malformed", "the payload is not CBOR, or has a value that no document has")
}
