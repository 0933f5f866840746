package capelib

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"testing"

	"github.com/libcape/libcape/core/wire"
)

func TestAResultIsProvedOnlyAsItWasSigned(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	digest := func(text string) []byte { sum := sha256.Sum256([]byte(text)); return sum[:] }
	sign := func(sums wire.Checksums) []byte {
		hash := sha256.Sum256(sums.SignedBytes())
		signature, err := rsa.SignPSS(rand.Reader, private, crypto.SHA256, hash[:], nil)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	v := resultVerifier{&private.PublicKey, digest("the zip")}
	sums := wire.Checksums{Input: digest("in"), Function: digest("the zip"), Output: digest("out")}
	good := wire.Result{Output: []byte("out"), Checksums: &sums, SignedChecksums: sign(sums)}
	if err := v.verify(good, digest("in")); err != nil {
		t.Fatalf("a good result: %v", err)
	}
	if err := v.verify(good, nil); err != nil {
		t.Fatalf("a good result for a sealed input: %v", err)
	}
	other := sums
	other.Function = digest("another zip")
	flipped := bytes.Clone(good.SignedChecksums)
	flipped[7] ^= 1
	for name, bad := range map[string]struct {
		result wire.Result
		input  []byte
	}{
		"another output":     {wire.Result{Output: []byte("Out"), Checksums: &sums, SignedChecksums: good.SignedChecksums}, digest("in")},
		"another input":      {good, digest("In")},
		"another function":   {wire.Result{Output: []byte("out"), Checksums: &other, SignedChecksums: sign(other)}, digest("in")},
		"other checksums":    {wire.Result{Output: []byte("out"), Checksums: &other, SignedChecksums: good.SignedChecksums}, digest("in")},
		"a flipped bit":      {wire.Result{Output: []byte("out"), Checksums: &sums, SignedChecksums: flipped}, digest("in")},
		"no signature":       {wire.Result{Output: []byte("out"), Checksums: &sums}, digest("in")},
		"no checksums":       {wire.Result{Output: []byte("out"), SignedChecksums: good.SignedChecksums}, digest("in")},
		"an empty signature": {wire.Result{Output: []byte("out"), Checksums: &sums, SignedChecksums: []byte{}}, digest("in")},
	} {
		if err := v.verify(bad.result, bad.input); err == nil || err.Reason != "signature.result" || err.Code != CodeAttestation {
			t.Errorf("%s: %v", name, err)
		}
	}
}
