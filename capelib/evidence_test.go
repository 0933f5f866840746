package capelib_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"testing"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/attest"
)

// TestSomebodyElseCanVerifyTheEvidence takes what a call gives, and nothing else but the root.
func TestSomebodyElseCanVerifyTheEvidence(t *testing.T) {
	t.Parallel()
	o := optionsFor(startEnclave(t))
	o.SignedResults = true
	call, err := connect(t, o).Start([]byte("hello"), capelib.CallOptions{})
	if err != nil {
		t.Fatal(err)
	}
	output, err := call.Result()
	if err != nil {
		t.Fatal(err)
	}
	evidence := call.Evidence()
	roots, err := attest.ParseRoots(o.AttestationRoots)
	if err != nil {
		t.Fatal(err)
	}
	document, _, err := attest.Verify(evidence.Raw, attest.Options{Roots: roots, Nonce: evidence.Document.Nonce, Policy: &attest.Policy{Any: true}})
	if err != nil {
		t.Fatal(err)
	}
	key, err := attest.ResultKey(document.UserData)
	if err != nil || key == nil {
		t.Fatal(key, err)
	}
	if sum := sha256.Sum256(output); string(evidence.Checksums.Output) != string(sum[:]) {
		t.Error("the checksum is of another output")
	}
	digest := sha256.Sum256(evidence.Checksums.SignedBytes())
	if err := rsa.VerifyPSS(key, crypto.SHA256, digest[:], evidence.Signature, nil); err != nil {
		t.Error(err)
	}
}

func TestThereAreNoChecksumsWhereResultsAreNotSigned(t *testing.T) {
	t.Parallel()
	conn := connect(t, optionsFor(startEnclave(t)))
	call, err := conn.Start([]byte("hello"), capelib.CallOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if e := call.Evidence(); e.Document == nil || len(e.Raw) == 0 || e.Checksums != nil || e.Signature != nil {
		t.Errorf("%+v", e)
	}
}
