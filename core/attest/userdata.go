package attest

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
)

// userData is what a Cape enclave states of itself in user_data, each nil where it does not.
type userData struct {
	functionChecksum []byte // SHA-256 of the deployed zip
	keyChecksum      []byte // SHA-256 of the key policy
}

// parseUserData reads user_data of a Cape enclave: a JSON object in which each checksum has an
// old and a new name, either or both. Other names are ignored. Absent user_data states nothing.
func parseUserData(data []byte) (userData, *Error) {
	if len(data) == 0 {
		return userData{}, nil
	}
	var out userData
	var bad *Error
	take := func(into *[]byte, raw []byte) {
		value, ok := decodeBase64(raw)
		switch {
		case bad != nil || isNull(raw):
		case !ok:
			bad = userDataError("document.user_data_base64", "a checksum in user_data is not base64")
		case *into != nil && subtle.ConstantTimeCompare(*into, value) != 1:
			bad = userDataError("document.user_data_conflict", "user_data states one checksum under two names with two values")
		default:
			*into = value
		}
	}
	object := bytes.HasPrefix(bytes.TrimSpace(data), []byte{'{'})
	err := scanJSON(data, func(name string, raw []byte) {
		switch name {
		case "func_checksum", "func_hash":
			take(&out.functionChecksum, raw)
		case "key_checksum", "key_policy_hash":
			take(&out.keyChecksum, raw)
		}
	})
	if err != nil || !object {
		return userData{}, userDataError("document.user_data_json", "user_data is not one JSON object with each name once")
	}
	if bad != nil {
		return userData{}, bad
	}
	return out, nil
}

func userDataError(reason, cause string) *Error {
	return &Error{StepPolicy, reason, cause,
		"ask the enclave for the function's own document, or leave the checksum out of the policy if it states none"}
}

// decodeBase64 wants a text of RFC 4648 section 4 with padding. Go's decoder skips line breaks
// and, unless it is strict, takes several spellings for one value.
func decodeBase64(raw []byte) ([]byte, bool) {
	if raw[0] != '"' {
		return nil, false
	}
	text := raw[1 : len(raw)-1]
	if bytes.IndexByte(text, '\\') >= 0 { // base64 may be written with escapes in JSON
		text = []byte(stringContent(raw))
	}
	if len(text) == 0 || bytes.ContainsAny(text, "\r\n") {
		return nil, false
	}
	value, err := base64.StdEncoding.Strict().AppendDecode(nil, text)
	return value, err == nil
}
