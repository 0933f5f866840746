package service

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
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
	turn chan struct{} // has one while the key is made or read
	key  *rsa.PrivateKey
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
		kept = &userKey{turn: make(chan struct{}, 1)}
		k.opened[user] = kept
	}
	k.mu.Unlock()
	select {
	case kept.turn <- struct{}{}:
		defer func() { <-kept.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if kept.key != nil {
		return kept.key, nil
	}
	key, err := keptKey(k.from, keyName(user), func() (*rsa.PrivateKey, error) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
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
