package capelib

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"

	"github.com/libcape/libcape/core/attest"
	"github.com/libcape/libcape/core/wire"
)

// resultVerifier proves that results are those of the enclave that was verified: it signs the
// checksums of input, function and output with a key that its document states.
type resultVerifier struct {
	key      *rsa.PublicKey
	function []byte // SHA-256 of the function's zip, as attested
}

// newResultVerifier takes what it needs out of a verified document and its report.
func newResultVerifier(document *attest.Document, report *Report) (*resultVerifier, error) {
	key, err := attest.ResultKey(document.UserData)
	if err != nil {
		return nil, err
	}
	function, err := hex.DecodeString(report.FunctionChecksum)
	if key == nil || err != nil || len(function) != sha256.Size {
		return nil, NewError("document.result_key_missing", "the enclave states no key for the signatures of results, or no function: connect without signed_results, or to an enclave that signs")
	}
	return &resultVerifier{key, function}, nil
}

// verify checks a result against the digest of its input, which is nil where the enclave sees
// another input than was sent.
func (v *resultVerifier) verify(r wire.Result, input []byte) *Error {
	fail := func(what string) *Error {
		return NewError("signature.result", "the result is not proved to be the enclave's: "+what+"; the connection was ended")
	}
	if r.Checksums == nil || r.SignedChecksums == nil {
		return fail("it is not signed")
	}
	digest := sha256.Sum256(r.Checksums.SignedBytes())
	if rsa.VerifyPSS(v.key, crypto.SHA256, digest[:], r.SignedChecksums, nil) != nil {
		return fail("its signature is not by the key of the attestation document")
	}
	output := sha256.Sum256(r.Output)
	switch {
	case subtle.ConstantTimeCompare(r.Checksums.Output, output[:]) != 1:
		return fail("it is another output than was signed")
	case subtle.ConstantTimeCompare(r.Checksums.Function, v.function) != 1:
		return fail("it is signed as that of another function")
	case input != nil && subtle.ConstantTimeCompare(r.Checksums.Input, input) != 1:
		return fail("it is signed as that of another input")
	}
	return nil
}

// digestOf is the digest of an input as the enclave's function sees it, or nil: one that is sealed
// to the enclave's Cape key is opened there.
func digestOf(input []byte) []byte {
	if bytes.HasPrefix(input, []byte("cape:")) {
		return nil
	}
	digest := sha256.Sum256(input)
	return digest[:]
}
