package protocol

import (
	"crypto/ecdsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"regexp"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/libcape/libcape/core/hpke"
)

// payload is that of an attestation document, strictly as clients read it.
type payload struct {
	ModuleID    string         `cbor:"module_id"`
	Digest      string         `cbor:"digest"`
	Timestamp   uint64         `cbor:"timestamp"`
	PCRs        map[int][]byte `cbor:"pcrs"`
	Certificate []byte         `cbor:"certificate"`
	CABundle    [][]byte       `cbor:"cabundle"`
	PublicKey   []byte         `cbor:"public_key"`
	UserData    []byte         `cbor:"user_data"`
	Nonce       []byte         `cbor:"nonce"`
}

var attestation = regexp.MustCompile(`^{"message":{"message":"([A-Za-z0-9+/]+={0,2})","type":"attestation_doc"}}$`)

// readDocument takes the document out of the answer to a nonce.
func readDocument(t *testing.T, message []byte, root *x509.Certificate) payload {
	t.Helper()
	match := attestation.FindSubmatch(message)
	if match == nil {
		t.Fatalf("the answer to the nonce is %.200s", message)
	}
	return checkDocument(t, string(match[1]), root)
}

// checkDocument holds a document to all that any client asks of it.
func checkDocument(t *testing.T, encoded string, root *x509.Certificate) payload {
	t.Helper()
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	// Untagged: an array of four, ES384 in the protected header, nothing in the other.
	if len(raw) < 7 || string(raw[:7]) != "\x84\x44\xa1\x01\x38\x22\xa0" {
		t.Errorf("the document begins with %x", raw[:7])
	}
	var outer []cbor.RawMessage
	if err := cbor.Unmarshal(raw, &outer); err != nil || len(outer) != 4 {
		t.Fatalf("%d elements: %v", len(outer), err)
	}
	var protected, body, signature []byte
	for i, into := range map[int]*[]byte{0: &protected, 2: &body, 3: &signature} {
		if err := cbor.Unmarshal(outer[i], into); err != nil {
			t.Fatal(err)
		}
	}
	var keys map[string]cbor.RawMessage
	var p payload
	if err := cbor.Unmarshal(body, &keys); err != nil || len(keys) != 9 {
		t.Errorf("the document has %d members: %v", len(keys), err)
	}
	if err := cbor.Unmarshal(body, &p); err != nil {
		t.Fatal(err)
	}
	for i := range 16 {
		if len(p.PCRs[i]) != 48 {
			t.Errorf("PCR%d has %d bytes", i, len(p.PCRs[i]))
		}
	}
	if len(p.PublicKey) != hpke.KeySize || p.Digest != "SHA384" || len(p.PCRs) != 16 || p.UserData == nil || len(signature) != 96 {
		t.Errorf("%d bytes of key, %s, %d PCRs, user_data %q, %d bytes of signature", len(p.PublicKey), p.Digest, len(p.PCRs), p.UserData, len(signature))
	}
	checkChain(t, p, root)
	leaf, err := x509.ParseCertificate(p.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := cbor.Marshal([]any{"Signature1", protected, []byte{}, body})
	if err != nil {
		t.Fatal(err)
	}
	digest := sha512.Sum384(signed)
	r, s := new(big.Int).SetBytes(signature[:48]), new(big.Int).SetBytes(signature[48:])
	if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || !ecdsa.Verify(key, digest[:], r, s) {
		t.Error("the document's signature does not hold")
	}
	return p
}

// checkChain verifies as the Go client does, now and at the leaf's beginning: there pycape and
// cape-js verify the documents of users' keys. The root comes first in the bundle.
func checkChain(t *testing.T, p payload, root *x509.Certificate) {
	t.Helper()
	leaf, err := x509.ParseCertificate(p.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	for i, der := range p.CABundle {
		authority, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if first := i == 0; authority.Equal(root) != first || !authority.IsCA {
			t.Errorf("certificate %d of the bundle is the root: %t; it is an authority: %t", i, authority.Equal(root), authority.IsCA)
		}
		between.AddCert(authority)
	}
	for _, at := range []time.Time{time.Now(), leaf.NotBefore} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at}); err != nil {
			t.Errorf("the chain at %s: %v", at, err)
		}
	}
}
