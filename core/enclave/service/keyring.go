package service

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"

	"github.com/libcape/libcape/core/capekey"
	"github.com/libcape/libcape/core/enclave/store"
)

// keyring holds the Cape keys of users. Each user has their own: what is encrypted for one is of
// no use in a function of another.
type keyring struct {
	from   store.Store
	making chan struct{} // as many keys are made at once as it has room for

	mu     sync.Mutex
	opened map[string]*userKey
}

type userKey struct {
	mu  sync.Mutex // held while it is made or read
	key *rsa.PrivateKey
}

const (
	keysAtOnce = 2 // each keeps a processor busy for seconds
	maxOpened  = 10_000
)

func newKeyring(from store.Store) *keyring {
	return &keyring{from: from, making: make(chan struct{}, keysAtOnce), opened: map[string]*userKey{}}
}

func keyName(user string) string { return "cape/" + user }

func (k *keyring) has(user string) bool {
	_, err := k.from.Key(keyName(user))
	return err == nil
}

func (k *keyring) of(ctx context.Context, user string) (*rsa.PrivateKey, error) {
	k.mu.Lock()
	if len(k.opened) >= maxOpened {
		clear(k.opened)
	}
	kept := k.opened[user]
	if kept == nil {
		kept = &userKey{}
		k.opened[user] = kept
	}
	k.mu.Unlock()
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if kept.key != nil {
		return kept.key, nil
	}
	key, err := keptKey(k.from, keyName(user), func() (*rsa.PrivateKey, error) {
		select {
		case k.making <- struct{}{}:
			defer func() { <-k.making }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return rsa.GenerateKey(rand.Reader, capekey.KeyBits)
	})
	if err != nil {
		return nil, fmt.Errorf("the Cape key of a user: %w", err)
	}
	kept.key = key
	return key, nil
}

func tokenSigner(from store.Store) (*ecdsa.PrivateKey, error) {
	return keptKey(from, "tokens", func() (*ecdsa.PrivateKey, error) {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	})
}

// minRSABits is how large an RSA key has to be that signs tokens.
const minRSABits = 2048

// ParsePublicKey reads a key that signs tokens, in PEM: SubjectPublicKeyInfo or PKCS#1, RSA with
// 2048 bits or more, or ECDSA on P-256 or P-384. It returns a *rsa.PublicKey or a
// *ecdsa.PublicKey.
func ParsePublicKey(text []byte) (any, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is no PEM")
	}
	var key any
	var err error
	if block.Type == "RSA PUBLIC KEY" {
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	} else {
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	}
	if err != nil {
		return nil, errors.New("it is no public key in PEM")
	}
	if _, err := methods(key); err != nil {
		return nil, err
	}
	return key, nil
}

// methods are the ways of signing that go with a key (RFC 7518 section 3.1).
func methods(key any) ([]string, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("it has %d bits: an RSA key that signs tokens has %d or more", key.N.BitLen(), minRSABits)
		}
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, nil
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return []string{"ES256"}, nil
		case elliptic.P384():
			return []string{"ES384"}, nil
		}
	}
	return nil, errors.New("it is neither an RSA key nor one on P-256 or P-384")
}
