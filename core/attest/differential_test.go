package attest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"
)

// conventional is how documents are usually verified, from parts that others wrote: go-cose and
// crypto/x509, and a decoder left as it is.
func conventional(document []byte, roots [][]byte, at time.Time) error {
	var message cose.Sign1Message
	if len(document) > 0 && document[0]>>5 == majorTag {
		if err := message.UnmarshalCBOR(document); err != nil {
			return err
		}
	} else {
		var untagged cose.UntaggedSign1Message
		if err := untagged.UnmarshalCBOR(document); err != nil {
			return err
		}
		message = cose.Sign1Message(untagged)
	}
	var content struct {
		Certificate []byte   `cbor:"certificate"`
		CABundle    [][]byte `cbor:"cabundle"`
		Timestamp   uint64   `cbor:"timestamp"`
	}
	if err := cbor.Unmarshal(message.Payload, &content); err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(content.Certificate)
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	if at.IsZero() {
		options.CurrentTime = time.UnixMilli(int64(content.Timestamp))
	}
	for _, der := range roots {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		options.Roots.AddCert(root)
	}
	for _, der := range content.CABundle {
		ca, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		options.Intermediates.AddCert(ca)
	}
	if _, err := leaf.Verify(options); err != nil {
		return err
	}
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return errors.New("no ECDSA key")
	}
	verifier, err := cose.NewVerifier(cose.AlgorithmES384, key)
	if err != nil {
		return err
	}
	return message.Verify(nil, verifier)
}

// stricter lists the reasons for which this package refuses documents that the conventional way
// takes for authentic, and why it is right to.
var stricter = map[string]string{
	"parse.too_large":             "nothing bounds the conventional way but memory",
	"cbor.chunked":                "no security module chunks strings",
	"cbor.count":                  "nor does it make arrays as long",
	"cbor.depth":                  "nor does it nest as deeply",
	"cbor.duplicate_key":          "which of two values counts is the decoder's choice",
	"cbor.malformed":              "undefined for null, and text that is not UTF-8 in members that were not asked for",
	"cbor.not_minimal":            "a second spelling of the same document that verifies",
	"cbor.tag":                    "a tag makes another type of a value",
	"cose.protected":              "headers that are signed but that AWS does not send",
	"cose.unprotected":            "headers that no signature covers",
	"document.digest":             "fields that are not looked at for authenticity",
	"document.missing_field":      "likewise",
	"document.module_id":          "likewise",
	"document.nitrotpm":           "an instance is no enclave, though the root is the same",
	"document.nonce":              "fields that are not looked at for authenticity",
	"document.pcrs":               "likewise",
	"document.public_key":         "likewise",
	"document.public_key_length":  "asked for by an option",
	"document.public_key_missing": "likewise",
	"document.structure":          "a payload whose keys are not text",
	"document.timestamp":          "fields that are not looked at for authenticity",
	"document.user_data":          "likewise",
	"chain.algorithm":             "crypto/x509 takes any algorithm that it knows",
	"chain.critical_extension":    "crypto/x509 takes critical extensions that say nothing of interest to TLS",
	"chain.key_usage":             "crypto/x509 does not look at digitalSignature, nor at a CA without key usage",
	"chain.leaf_is_ca":            "crypto/x509 lets a CA be a leaf",
	"chain.order":                 "crypto/x509 finds a path in any order, past what does not belong to it",
	"chain.root":                  "crypto/x509 needs no root in the bundle",
}

func TestVerifyAgreesWithTheConventionalWayOnAuthenticity(t *testing.T) {
	t.Parallel()
	used := make(map[string]int)
	compare := func(t *testing.T, name string, document []byte, options Options) {
		t.Helper()
		options.Policy = &Policy{Any: true, AllowDebug: true}
		err := conventional(document, options.Roots, options.Time)
		_, report, _ := Verify(document, options)
		ours := report.Steps[2].Status == StatusOK
		switch {
		case ours == (err == nil):
		case report.Reason == "time.clock_skew" || report.Reason == "time.outside_leaf":
			// The conventional way judges the chain at the clock, or at the timestamp, alone.
		case ours:
			t.Errorf("%s is accepted here; the conventional way says: %v", name, err)
		case stricter[report.Reason] == "":
			t.Errorf("%s is refused here alone, for a reason that is not listed: %s", name, report.Reason)
		default:
			used[report.Reason]++
		}
	}
	for _, f := range allForgeries() {
		compare(t, f.name, f.document(t), f.options(t))
	}
	for reason := range stricter {
		if used[reason] == 0 {
			t.Errorf("%s is listed, but the conventional way refuses all of its documents too", reason)
		}
	}
	t.Run("shared", func(t *testing.T) {
		for _, folder := range []string{"nitro", "nitro-negative"} {
			for _, vector := range readSharedVectors(t, folder) {
				options := Options{Roots: [][]byte{AWSRoot()}, Time: time.UnixMilli(vector.TimestampMS)}
				if folder == "nitro-negative" {
					options.Time, _ = time.Parse(time.RFC3339, vector.Time)
				}
				if vector.Root != "" && vector.Root != "aws" {
					roots, err := ParseRoots(readShared(t, folder, vector.Root))
					if err != nil {
						t.Fatal(err)
					}
					options.Roots = roots
				}
				compare(t, filepath.Join(folder, vector.File), readShared(t, folder, vector.File), options)
			}
		}
	})
}

func TestFastVerifyAgreesWithCryptoECDSA(t *testing.T) {
	t.Parallel()
	curve := elliptic.P384()
	order := curve.Params().N
	number := func(n int64) []byte { return big.NewInt(n).Bytes() }
	below := func(n int64) []byte { return new(big.Int).Sub(order, big.NewInt(n)).Bytes() }
	keyOf := func(scalar []byte) *publicKey {
		key, err := ecdsa.ParseRawPrivateKey(curve, append(make([]byte, p384Size-len(scalar)), scalar...))
		if err != nil {
			t.Fatal(err)
		}
		return newPublicKey(&x509.Certificate{PublicKey: &key.PublicKey})
	}
	compare := func(key *publicKey, digest [sha512.Size384]byte, r, s []byte) bool {
		t.Helper()
		fast, standard := key.verify(&digest, r, s), key.verifyStandard(&digest, r, s)
		if fast != standard {
			t.Errorf("fast %v, standard %v: key %x, digest %x, r %x, s %x", fast, standard, key.x, digest, r, s)
		}
		return standard
	}

	// Keys that are small multiples of the generator, whose sums with it are the special cases of
	// the addition formulas.
	var keys []*publicKey
	for _, scalar := range [][]byte{number(1), number(2), number(3), number(17), below(1), below(2)} {
		keys = append(keys, keyOf(scalar))
	}
	var digests [][sha512.Size384]byte
	for _, value := range [][]byte{nil, number(1), below(1), order.Bytes()} {
		var digest [sha512.Size384]byte
		copy(digest[len(digest)-len(value):], value)
		digests = append(digests, digest)
	}
	values := [][]byte{nil, number(1), number(2), below(1), order.Bytes(), curve.Params().Gx.Bytes()}
	valid := 0
	for _, key := range keys {
		for _, digest := range digests {
			for _, r := range values {
				for _, s := range values {
					if compare(key, digest, r, s) {
						valid++
					}
				}
			}
		}
	}
	if valid == 0 {
		t.Error("no special case has a valid signature, so that acceptance was not compared")
	}

	for i := range 25 {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		public := newPublicKey(&x509.Certificate{PublicKey: &key.PublicKey})
		digest := sha512.Sum384([]byte{byte(i)})
		der, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		r, s, ok := parseSignature(der)
		if !ok || !compare(public, digest, r, s) {
			t.Fatal("a good signature is refused")
		}
		other := negateS(rawSignature(r, s))
		if !compare(public, digest, other[:p384Size], other[p384Size:]) {
			t.Error("n-s is refused")
		}
		if compare(public, digest, s, r) || compare(keys[0], digest, r, s) {
			t.Error("a bad signature is accepted")
		}
	}
}

func TestFastVerifyAgreesWithCryptoECDSAOnEveryDocument(t *testing.T) {
	t.Parallel()
	var documents [][]byte
	for _, f := range allForgeries() {
		documents = append(documents, f.document(t))
	}
	shared, _ := filepath.Glob(filepath.Join(sharedVectors, "nitro*", "*.bin")) // none where there are none
	for _, name := range shared {
		documents = append(documents, readShared(t, ".", strings.TrimPrefix(name, sharedVectors)))
	}
	type signature struct {
		key    string
		digest [sha512.Size384]byte
		r, s   string
	}
	seen := make(map[signature]bool)
	valid := 0
	compare := func(key *publicKey, digest [sha512.Size384]byte, r, s []byte) {
		id := signature{key.x.String(), digest, string(r), string(s)}
		if seen[id] {
			return
		}
		seen[id] = true
		standard := key.verifyStandard(&digest, r, s)
		if standard {
			valid++
		}
		if key.verify(&digest, r, s) != standard {
			t.Errorf("crypto/ecdsa says %v: key %x, digest %x, r %x, s %x", standard, key.x, digest, r, s)
		}
	}
	for _, document := range documents {
		e, p, fault := parseDocument(document, &Options{})
		if fault != nil {
			continue
		}
		var issuer *publicKey
		for i, der := range append(slices.Clone(p.cabundle), p.certificate) {
			certificate, err := newCertificate(der)
			if err != nil || certificate.key == nil {
				break
			}
			if r, s, ok := parseSignature(certificate.x509.Signature); ok && issuer != nil {
				compare(issuer, sha512.Sum384(certificate.x509.RawTBSCertificate), r, s)
			}
			if issuer = certificate.key; i == len(p.cabundle) {
				compare(issuer, e.digest(), e.signature[:p384Size], e.signature[p384Size:])
			}
		}
	}
	if invalid := len(seen) - valid; valid < 100 || invalid < 20 {
		t.Errorf("compared only %d good signatures and %d bad ones", valid, invalid)
	}
	t.Logf("%d good signatures and %d bad ones", valid, len(seen)-valid)
}
