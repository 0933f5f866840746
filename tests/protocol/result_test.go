package protocol

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"testing"

	"github.com/libcape/libcape/core/hpke"
)

// functionClaims is user_data of a session that runs a function.
var functionClaims = regexp.MustCompile(`^{"func_checksum":"([A-Za-z0-9+/]{43}=)","func_hash":"([A-Za-z0-9+/]{43}=)","signature_verification_public_key":"([A-Za-z0-9+/]+=*)"}$`)

// checkClaims looks at user_data, which has the checksum under both names, and returns the key
// that signs results.
func checkClaims(t *testing.T, userData, checksum []byte) *rsa.PublicKey {
	t.Helper()
	match := functionClaims.FindSubmatch(userData)
	if match == nil {
		t.Fatalf("user_data is %s", userData)
	}
	if want := encode64(checksum); string(match[1]) != want || string(match[2]) != want {
		t.Errorf("the checksums are %s and %s, want %s", match[1], match[2], want)
	}
	der, err := base64.StdEncoding.Strict().DecodeString(string(match[3]))
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// invoke sends an input sealed as clients do it.
func (c client) invoke(p *peer, key []byte, input string) {
	p.t.Helper()
	sealed, err := hpke.Seal(key, []byte(input))
	if err != nil || len(sealed) != len(input)+48 {
		p.t.Fatalf("%d bytes, %v", len(sealed), err)
	}
	p.message(binaryFrame, sealed, c.fragment)
}

// wantResult wants the next message to be this result, in the form that every client parses.
func wantResult(p *peer, input, output string, checksum []byte) (signed string, signature []byte) {
	p.t.Helper()
	message := p.text()
	sum := func(of string) string { digest := sha256.Sum256([]byte(of)); return encode64(digest[:]) }
	var outer, inner map[string]json.RawMessage
	if err := json.Unmarshal(message, &outer); err != nil || len(outer) != 1 {
		p.t.Fatalf("the result is %.300s (%v)", message, err)
	}
	if err := json.Unmarshal(outer["message"], &inner); err != nil || len(inner) != 4 {
		p.t.Fatalf("the result is %.300s (%v)", message, err)
	}
	// The text of the checksums is what the signature is for, with a newline.
	signed = fmt.Sprintf(`{"input":"%s","function":"%s","output":"%s"}`, sum(input), encode64(checksum), sum(output))
	if string(inner["type"]) != `"function_result"` || string(inner["message"]) != `"`+encode64([]byte(output))+`"` || string(inner["checksums"]) != signed {
		p.t.Errorf("the result is %.400s, want %q with %s", message, output, signed)
	}
	if err := json.Unmarshal(inner["signed_checksums"], &signature); err != nil {
		p.t.Error(err)
	}
	return signed + "\n", signature
}

// call is one input and its result, with the signature checked.
func (c client) call(p *peer, document payload, input, output string, checksum []byte, signer *rsa.PublicKey) {
	p.t.Helper()
	c.invoke(p, document.PublicKey, input)
	signed, signature := wantResult(p, input, output, checksum)
	if digest := sha256.Sum256([]byte(signed)); signer != nil && rsa.VerifyPSS(signer, crypto.SHA256, digest[:], signature, nil) != nil {
		p.t.Error("the signature of the checksums does not hold")
	}
}

var failure = regexp.MustCompile(`^{"error":"[^"\\]+"}$`)

// wantError wants the next message to be an error and nothing else.
func wantError(p *peer) {
	p.t.Helper()
	if message := p.text(); !failure.Match(message) {
		p.t.Errorf("want an error, got %.300s", message)
	}
}
