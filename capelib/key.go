package capelib

import (
	"context"
	"net/http"
	"time"

	"github.com/libcape/libcape/core/attest"
	"github.com/libcape/libcape/core/capekey"
	"github.com/libcape/libcape/core/wire"
)

// maxKeyAnswer bounds the answer of the route of a user's key, in bytes: a document as base64.
const maxKeyAnswer = 64 << 10

// Key asks an enclave for the Cape key of whoever the token belongs to: what [Encrypt] wants, an
// RSA-4096 key in DER (SubjectPublicKeyInfo). The enclave attests, with a fresh nonce, and the key
// is what its document states; the report is that of the verification. Of the options, Function
// is not used. A policy that pins a function's checksum refuses this document, which states none.
func Key(ctx context.Context, o Options) ([]byte, *Report, error) {
	t, err := o.checkAttested("/v1/key")
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	socket, document, report, err := o.dialRoute(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	socket.CloseWith(1000, "")
	key, err := attestedKey(document.Document)
	if err != nil {
		return nil, nil, o.routeError(t, err, report)
	}
	return key, report, nil
}

// UserKey asks a service for the Cape key of any user, by name, without a token; see [Key].
//
// The attestation document that holds the key is one that the service kept. It answers no nonce, and is
// judged at the time that it was signed, however long ago that was, so a key that its enclave has
// given up may be taken for a current one: set the policy's MaxAge to bound its age. The document does
// not name the user either. That the key is this user's is what the service says.
func UserKey(ctx context.Context, o Options, user string) ([]byte, *Report, error) {
	if !isUser(user) {
		return nil, nil, NewError("argument.function", "the user is empty, or has characters other than letters, digits, '_', '.', '@' and '-'")
	}
	t, err := o.checkAttested("/v1/user/" + user + "/key")
	if err != nil {
		return nil, nil, err
	}
	o.Token = "" // nobody is asked for one, so nobody is shown one
	body, err := o.fetch(ctx, t, restCall{method: http.MethodGet, limit: maxKeyAnswer})
	if err != nil {
		return nil, nil, err
	}
	raw, err := wire.DecodeUserKey(body)
	if err != nil {
		return nil, nil, o.routeError(t, err, nil)
	}
	defer countVerification(time.Now())
	document, report, err := verifier.Verify(raw, attest.Options{Roots: t.roots, AtDocumentTime: true, Policy: o.Policy})
	if err != nil {
		return nil, nil, o.routeError(t, err, report)
	}
	if age := time.Since(document.Timestamp); o.Policy.MaxAge > 0 && age > o.Policy.MaxAge {
		return nil, nil, NewError("time.too_old", "the document with the key of "+user+" was signed "+age.Truncate(time.Second).String()+
			" ago, which is more than the policy allows: have the user's enclave sign a new one, or raise the policy's max_age_ms")
	}
	key, err := attestedKey(document)
	if err != nil {
		return nil, nil, o.routeError(t, err, report)
	}
	return key, report, nil
}

// attestedKey takes the Cape key out of a document that was accepted.
func attestedKey(document *attest.Document) ([]byte, error) {
	key, err := wire.DecodeKey(document.UserData)
	if err != nil {
		return nil, err
	}
	if _, err := capekey.ParsePublicKey(key); err != nil {
		return nil, NewError("key.unusable", "the Cape key that the enclave attests is not an RSA key of 4096 bits: update the enclave")
	}
	return key, nil
}

// Encrypt seals a plaintext to a Cape key (see [Key]), so that only the enclave of the key's owner
// can read it: a function there that gets it as its input sees the plaintext, of at most [MaxInput]
// bytes. The result is text, "cape:" and base64.
func Encrypt(key, plaintext []byte) ([]byte, error) {
	if err := checkInput(plaintext); err != nil {
		return nil, err
	}
	text, err := capekey.EncryptText(key, plaintext)
	if err != nil {
		return nil, AsError(err)
	}
	return text, nil
}
