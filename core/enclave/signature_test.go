package enclave_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/libcape/libcape/core/enclave"
)

// attestedSigner is the key in a session's document, as the original client parses it.
func attestedSigner(t *testing.T, p payload) *rsa.PublicKey {
	t.Helper()
	var data struct {
		Key []byte `json:"signature_verification_public_key"`
	}
	if err := json.Unmarshal(p.UserData, &data); err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS1PublicKey(data.Key)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signedReply is a reply as it is on the wire: what is signed is put together from its texts.
type signedReply struct {
	Message struct {
		Message   string
		Checksums struct{ Input, Function, Output string }
		Signature []byte `json:"signed_checksums"`
	}
}

func (r signedReply) verify(key *rsa.PublicKey) error {
	sums := r.Message.Checksums
	digest := sha256.Sum256(fmt.Appendf(nil, "{\"input\":\"%s\",\"function\":\"%s\",\"output\":\"%s\"}\n", sums.Input, sums.Function, sums.Output))
	return rsa.VerifyPSS(key, crypto.SHA256, digest[:], r.Message.Signature, nil)
}

func (c *client) signedReply() signedReply {
	c.t.Helper()
	var reply signedReply
	if err := json.Unmarshal(c.text(), &reply); err != nil {
		c.t.Fatal(err)
	}
	return reply
}

func sumText(data string) string {
	sum := sha256.Sum256([]byte(data))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestChecksumsAreSignedWithTheAttestedKey(t *testing.T) {
	t.Parallel()
	e := echoEnclave(t)
	c, _, p := documentOf(t, e)
	c.key = p.PublicKey
	key := attestedSigner(t, p)
	if bits := key.N.BitLen(); bits < 2048 {
		t.Errorf("the key has %d bits", bits)
	}
	for _, input := range []string{"", "hello", "hello"} {
		c.request([]byte(input))
		reply := c.signedReply()
		if err := reply.verify(key); err != nil {
			t.Errorf("the signature for %q: %v", input, err)
		}
		if sums := reply.Message.Checksums; sums.Input != sumText(input) || sums.Output != sumText(input) {
			t.Errorf("the checksums for %q are %+v", input, sums)
		}
		reply.Message.Checksums.Output = sumText("something else")
		if reply.verify(key) == nil {
			t.Error("the signature holds for another output")
		}
	}
	c.request([]byte("again"))
	if err := c.signedReply().verify(attestedSigner(t, second(t, e))); err != nil {
		t.Errorf("the key changes from session to session: %v", err)
	}
	_, _, other := documentOf(t, echoEnclave(t))
	c.request([]byte("again"))
	if c.signedReply().verify(attestedSigner(t, other)) == nil {
		t.Error("another enclave has the same key")
	}
}

func second(t *testing.T, e *enclave.Enclave) payload {
	t.Helper()
	_, _, p := documentOf(t, e)
	return p
}
