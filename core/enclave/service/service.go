// Package service makes an enclave the service that the original clients know: it keeps functions,
// names, tokens and keys in a store, says who may do what, and answers the REST routes.
//
//	s, err := service.New(service.Options{Store: folder, Auth: true})
//	e, err := enclave.Start(enclave.Options{Service: s, Python: "/usr/bin/python3"})
//
// Whose token it is decides what a caller owns. The enclave makes tokens itself, personal access
// tokens, signed with a key of the store; it takes access tokens of issuers whose keys it is
// given; and tokens that a deployer has signed for one function, whose key came with the function.
//
// A token that is revoked, or whose time is over, and a function that is deleted, end the sessions
// that are open with it: what runs at that moment is finished, and the next request is told why in
// place of an answer.
package service

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/enclave/store"
)

// DefaultUser owns what is deployed with a token that names nobody, and the functions that the enclave
// was started with.
const DefaultUser = "local"

const (
	maxFunctions = 10_000 // of one user
	maxTokens    = 10_000
	maxTokenKey  = 16 << 10 // bytes of PEM
	maxStrangers = 256      // users of whom there is nothing but what their tokens say
)

// Options say what a service keeps and whom it lets in.
type Options struct {
	// Store is where everything is kept. It stays the caller's to close.
	Store store.Store
	// Auth refuses who has no valid token. Without it any token will do, and none; only a token
	// that this service made, and that has expired or was revoked or is for something else, is
	// still refused.
	Auth bool
	// Issuers are those whose access tokens are good, see [ParseIssuers].
	Issuers []Issuer
	// Audience is what such an access token has to be for; empty: this is not looked at.
	Audience string
	// Log receives what is done to functions and tokens, never a token; nil: nothing.
	Log *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Service is an [enclave.Service]. All methods may be called from any goroutine.
type Service struct {
	options Options
	store   store.Store
	signer  *ecdsa.PrivateKey
	keys    *keyring

	mu        sync.Mutex // held while a token is counted and added
	users     sync.Map   // names of those who were let in
	strangers atomic.Int64
}

var _ enclave.Service = (*Service)(nil)

// New makes a service of a store.
func New(o Options) (*Service, error) {
	if o.Store == nil {
		return nil, errors.New("a service needs a store")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	for _, key := range o.Issuers {
		if _, err := key.methods(); err != nil {
			return nil, fmt.Errorf("the key of an issuer cannot be used: %w", err)
		}
	}
	signer, err := tokenSigner(o.Store)
	if err != nil {
		return nil, fmt.Errorf("the key that signs tokens cannot be used: %w", err)
	}
	return &Service{options: o, store: o.Store, signer: signer, keys: newKeyring(o.Store)}, nil
}

// refused is an error for the caller.
func refused(status int, format string, args ...any) error {
	return &enclave.Refusal{Status: status, Text: fmt.Sprintf(format, args...)}
}

// failed is an error of the store's for the caller, who is told where there is no room.
func (s *Service) failed(err error) error {
	if errors.Is(err, store.ErrFull) {
		s.options.Log.Error("the store has no room left", "error", err)
		return enclave.NoRoom()
	}
	return err
}

// Authorise is part of [enclave.Service].
func (s *Service) Authorise(_ context.Context, c enclave.Credential) (enclave.Caller, error) {
	return s.identify(c.Token)
}

// Lookup is part of [enclave.Service].
func (s *Service) Lookup(_ context.Context, by enclave.Caller, reference string) (*enclave.Deployed, error) {
	f, err := s.find(by, reference)
	if err != nil {
		return nil, err
	}
	found := &enclave.Deployed{ID: f.ID, Name: f.Name, Owner: f.Owner, Code: func() (io.ReadCloser, int64, error) { return s.store.Code(f.ID) }}
	if copy(found.Checksum[:], f.Checksum) != sha256.Size {
		return nil, fmt.Errorf("the function %s has no checksum", f.ID)
	}
	return found, nil
}

// find returns a function that the caller may run.
func (s *Service) find(by enclave.Caller, reference string) (store.Function, error) {
	find := s.store.Function
	if strings.Contains(reference, "/") {
		find = s.store.Named
	}
	f, err := find(reference)
	if err == nil && s.options.Auth && !f.Public && f.Owner != by.User {
		err = store.ErrNotFound
	}
	if errors.Is(err, store.ErrNotFound) {
		return f, refused(http.StatusNotFound, "no such function here, or it is not yours: 'cape list' shows yours")
	}
	return f, err
}

var functionName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

// fullName is what a function is called that a caller deploys.
func fullName(by enclave.Caller, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	owner, base, qualified := strings.Cut(name, "/")
	if !qualified {
		owner, base = by.User, name
	}
	if owner != by.User {
		return "", refused(http.StatusForbidden, "the name %.200q is taken: it belongs to another user, and yours begin with %s/", name, by.User)
	}
	if !functionName.MatchString(base) || base == "." || base == ".." {
		return "", refused(http.StatusBadRequest, "a function cannot be named %.200q: use 1 to 128 letters, digits, _, . and -", base)
	}
	return owner + "/" + base, nil
}

// Deploy is part of [enclave.Service].
func (s *Service) Deploy(_ context.Context, by enclave.Caller, d enclave.Deployment) (string, error) {
	name, err := fullName(by, d.Name)
	if err != nil {
		return "", err
	}
	if d.TokenKey != "" {
		if len(d.TokenKey) > maxTokenKey {
			return "", refused(http.StatusBadRequest, "the key for the function's tokens is too long")
		}
		if _, err := ParsePublicKey([]byte(d.TokenKey)); err != nil {
			return "", refused(http.StatusBadRequest, "the key for the function's tokens cannot be used: %v", err)
		}
	}
	// Several at once may come out a little above: writing a large one would hold up all others.
	if len(s.store.Functions(by.User)) >= maxFunctions {
		return "", refused(http.StatusForbidden, "you have %d functions, as many as you may: delete one first", maxFunctions)
	}
	f := store.Function{
		ID: newID(), Name: name, Owner: by.User, Public: d.Public, TokenKey: d.TokenKey,
		Checksum: slices.Clone(d.Checksum[:]), Created: s.options.Now().UTC(),
	}
	if err := s.store.AddFunction(f, d.Code); err != nil {
		return "", s.failed(err)
	}
	s.options.Log.Info("function deployed", "id", f.ID, "name", f.Name, "user", f.Owner, "public", f.Public)
	return f.ID, nil
}

// Key is part of [enclave.Service]. There is a key for whoever was let in or owns something, and one
// for the functions that the enclave was started with.
func (s *Service) Key(ctx context.Context, user string) (*rsa.PrivateKey, error) {
	if !s.knows(user) {
		return nil, refused(http.StatusNotFound, "no such user here: a user is known once they have deployed or logged in")
	}
	return s.keys.of(ctx, user)
}

// remember lets a user in. One whose name nothing proves is remembered only while there is room:
// each has a key made when somebody asks for it, which takes seconds and is kept.
func (s *Service) remember(by enclave.Caller) error {
	if !by.Unproven {
		s.users.Store(by.User, true)
		return nil
	}
	if s.knows(by.User) {
		return nil
	}
	if s.strangers.Add(1) > maxStrangers {
		s.strangers.Add(-1)
		return refused(http.StatusForbidden, "this enclave takes any token, and %d users have come already: have it started with --auth", maxStrangers)
	}
	s.users.Store(by.User, true)
	return nil
}

func (s *Service) knows(user string) bool {
	if _, known := s.users.Load(user); known || user == DefaultUser {
		return true
	}
	return s.keys.has(user) || len(s.store.Functions(user)) > 0 || len(s.store.Tokens(user)) > 0
}

const (
	idAlphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz" // that of shortuuid
	idLength   = 22
)

// newID makes a random id of the form that clients know.
func newID() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails: it ends the process where no randomness is to be had
	number, base, digit := new(big.Int).SetBytes(random[:]), big.NewInt(int64(len(idAlphabet))), new(big.Int)
	id := make([]byte, idLength)
	for i := range id {
		number.DivMod(number, base, digit)
		id[i] = idAlphabet[digit.Int64()]
	}
	return string(id)
}

// keptKey returns a key of the store in PKCS#8, which is made where there is none.
func keptKey[Key any](from store.Store, name string, make func() (Key, error)) (Key, error) {
	var none Key
	der, err := from.Key(name)
	if errors.Is(err, store.ErrNotFound) {
		fresh, err := make()
		if err != nil {
			return none, err
		}
		if der, err = x509.MarshalPKCS8PrivateKey(fresh); err != nil {
			return none, err
		}
		if der, err = from.PutKey(name, der); err != nil {
			return none, err
		}
	} else if err != nil {
		return none, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return none, err
	}
	key, ok := parsed.(Key)
	if !ok {
		return none, fmt.Errorf("the key %s in the store is of another kind", name)
	}
	return key, nil
}
