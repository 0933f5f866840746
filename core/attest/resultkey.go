package attest

import (
	"crypto/rsa"
	"crypto/x509"
)

// The sizes of keys for results that are accepted, in bits. A larger one would only cost time.
const (
	minResultKeyBits = 2048
	maxResultKeyBits = 4096
)

// ResultKey gives the key that signs the enclave's results, which user_data of a verified
// document states as "signature_verification_public_key": RSA in PKCS#1 DER (RFC 8017 appendix
// A.1.1), as base64. It is nil where none is stated.
func ResultKey(userData []byte) (*rsa.PublicKey, error) {
	var key *rsa.PublicKey
	usable := true
	err := scanJSON(userData, func(name string, raw []byte) {
		if name != "signature_verification_public_key" || isNull(raw) {
			return
		}
		der, ok := decodeBase64(raw)
		if !ok {
			usable = false
			return
		}
		parsed, err := x509.ParsePKCS1PublicKey(der)
		if err != nil || parsed.N.BitLen() < minResultKeyBits || parsed.N.BitLen() > maxResultKeyBits {
			usable = false
			return
		}
		key = parsed
	})
	if err != nil && len(userData) > 0 {
		return nil, userDataError("document.user_data_json", "user_data is not one JSON object with each name once")
	}
	if !usable {
		return nil, &Error{StepParse, "document.result_key", "the key for results in user_data is not an RSA key of 2048 to 4096 bits",
			"ask the operator of the enclave, or do without signed results"}
	}
	return key, nil
}
