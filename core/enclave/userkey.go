package enclave

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/libcape/libcape/core/capekey"
	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/wire"
)

// userKeyNonce is how many random bytes stand for a client's nonce in the document of a user's
// key, which clients may keep.
const userKeyNonce = 16

// lazyKey returns the key that is given, or else makes one when it is first asked for.
func lazyKey(given *rsa.PrivateKey) func() (*rsa.PrivateKey, error) {
	return sync.OnceValues(func() (*rsa.PrivateKey, error) {
		if given != nil {
			return given, nil
		}
		key, err := rsa.GenerateKey(rand.Reader, capekey.KeyBits)
		if err != nil {
			return nil, fmt.Errorf("the Cape key cannot be made: %w", err)
		}
		return key, nil
	})
}

// publicKey is a user's Cape key as clients take it: DER, SubjectPublicKeyInfo.
func (e *Enclave) publicKey(ctx context.Context, of string) ([]byte, error) {
	key, err := e.service.Key(ctx, of)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(&key.PublicKey)
}

// keyRoute is a session that tells the caller's Cape key, in its document.
func (e *Enclave) keyRoute(by Caller) (*conversation, error) {
	return &conversation{limit: maxStart, queued: maxStart, talk: (*session).sayNoMore, claim: func(ctx context.Context, c *claims) (err error) {
		c.key, err = e.publicKey(ctx, by.User)
		return err
	}}, nil
}

// sayNoMore waits until the client closes, or is idle.
func (s *session) sayNoMore(ctx context.Context) {
	if _, ok := s.next(ctx); ok {
		s.end("this route has nothing more to say: close the connection")
	}
}

// userOfKey finds the user in "v1/user/{user}/key".
func userOfKey(path string) (string, bool) {
	name, ok := strings.CutPrefix(path, "v1/user/")
	if !ok {
		return "", false
	}
	name, ok = strings.CutSuffix(name, "/key")
	return name, ok && name != "" && !strings.Contains(name, "/")
}

// serveUserKey answers anyone with the document of a user's key.
func (e *Enclave) serveUserKey(w http.ResponseWriter, r *http.Request, of string) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		refuse(w, http.StatusMethodNotAllowed, "a user's key can only be read: use GET")
		return
	}
	key, err := e.publicKey(r.Context(), of)
	if err != nil {
		e.refuse(w, err)
		return
	}
	nonce := make([]byte, userKeyNonce)
	_, _ = rand.Read(nonce)            // never fails: it ends the process where no randomness is to be had
	session, err := hpke.GenerateKey() // nobody seals to it, but clients look for one
	if err != nil {
		e.refuse(w, err)
		return
	}
	document, err := e.attest(claims{publicKey: session.PublicKey(), key: key, nonce: nonce})
	if err != nil {
		e.refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Access-Control-Allow-Origin", "*") // anyone may read it: a page in a browser too
	_, _ = w.Write(wire.EncodeUserKey(document))
}
