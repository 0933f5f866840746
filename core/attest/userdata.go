package attest

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// userData is what a Cape enclave states of itself in user_data, each nil where it does not.
type userData struct {
	functionChecksum []byte // SHA-256 of the deployed zip
	keyChecksum      []byte // SHA-256 of the key policy
}

const remedyUserData = "the enclave is no Cape enclave, or its user_data is broken; without the checksum in the policy it is not read"

// parseUserData reads user_data of a Cape enclave: a JSON object in which each checksum has an
// old and a new name, either or both. Other names are ignored. Absent user_data states nothing.
func parseUserData(data []byte) (userData, *Error) {
	fail := func(reason, cause string) (userData, *Error) {
		return userData{}, &Error{StepPolicy, reason, cause, remedyUserData}
	}
	if len(data) == 0 {
		return userData{}, nil
	}
	var members map[string]json.RawMessage
	if CheckJSON(data) != nil || json.Unmarshal(data, &members) != nil || members == nil {
		return fail("document.user_data_json", "user_data is not one JSON object with each name once")
	}
	var out userData
	for _, checksum := range []struct {
		into  *[]byte
		names [2]string
	}{
		{&out.functionChecksum, [2]string{"func_checksum", "func_hash"}},
		{&out.keyChecksum, [2]string{"key_checksum", "key_policy_hash"}},
	} {
		for _, name := range checksum.names {
			raw, ok := members[name]
			if !ok || isNull(raw) {
				continue
			}
			value, ok := decodeBase64(raw)
			if !ok {
				return fail("document.user_data_base64", "a checksum in user_data is not base64")
			}
			if *checksum.into != nil && subtle.ConstantTimeCompare(*checksum.into, value) != 1 {
				return fail("document.user_data_conflict", "user_data states one checksum under two names with two values")
			}
			*checksum.into = value
		}
	}
	return out, nil
}

// decodeBase64 wants RFC 4648 section 4 with padding. Go's decoder skips line breaks and, unless
// it is strict, takes several spellings for one value.
func decodeBase64(raw json.RawMessage) ([]byte, bool) {
	var text string
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		return nil, false
	}
	if text == "" || strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	value, err := base64.StdEncoding.Strict().DecodeString(text)
	return value, err == nil
}
