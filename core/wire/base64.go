package wire

import (
	"encoding/base64"
	"encoding/json"
	"slices"

	fast "github.com/segmentio/asm/base64"
)

// standard is RFC 4648 section 4 with padding, and with no bits set that are not used. It is many
// times as fast as encoding/base64, which it falls back to, on the two platforms that it knows.
var standard = fast.StdEncoding.Strict()

// decodeBase64 wants a JSON string with base64 in it. Line breaks, which Go's decoder would skip,
// are not allowed by the protocol.
func decodeBase64(v value, what string) ([]byte, error) {
	if v.raw[0] != '"' {
		return nil, &Error{"protocol.message", what + " is not a JSON string"}
	}
	text := unquote(v.raw)
	if len(text)+len(`""`) != len(v.raw) && hasLineBreak(text) { // only an escape can stand for one
		return nil, &Error{"protocol.base64", what + " is not base64: it has a line break"}
	}
	decoded := make([]byte, standard.DecodedLen(len(text)))
	n, err := standard.Decode(decoded, text)
	if err != nil {
		clear(decoded)
		return nil, &Error{"protocol.base64", what + " is not base64 of the standard alphabet with padding"}
	}
	return decoded[:n], nil
}

// appendResult appends a reply with the output in place: encoding/json would pass over it several
// times. The order of the members is that of encoding/json.
func appendResult(frame []byte, r Result) []byte {
	frame = append(frame, `{"message":{`...)
	if r.Checksums != nil {
		frame = append(append(frame, `"checksums":`...), mustMarshal(r.Checksums)...)
		frame = append(frame, ',')
	}
	frame = append(frame, `"message":"`...)
	at, size := len(frame), standard.EncodedLen(len(r.Output))
	frame = slices.Grow(frame, size)[:at+size]
	standard.Encode(frame[at:], r.Output)
	frame = append(frame, '"')
	if r.SignedChecksums != nil {
		frame = append(append(frame, `,"signed_checksums":`...), mustMarshal(r.SignedChecksums)...)
	}
	return append(frame, `,"type":"function_result"}}`...)
}

// resultRoom is more than a reply has besides its output, in bytes: three digests and a signature.
const resultRoom = 512

func resultSize(r Result) int {
	return resultRoom + standard.EncodedLen(len(r.Output)) + base64.StdEncoding.EncodedLen(len(r.SignedChecksums))
}

func mustMarshal(v any) []byte {
	frame, err := json.Marshal(v)
	if err != nil {
		panic(err) // text, bytes and maps of them cannot fail
	}
	return frame
}
