// Package hpke seals a request to an enclave's key and opens it there.
//
// It is the single-shot base mode of RFC 9180 with one fixed suite: DHKEM(X25519,
// HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305, with empty info and empty associated data.
// A sealed message is the 32-byte encapsulated key followed by the ciphertext. Every message
// has a fresh context, so that no two share a key and nonce. All functions are safe
// for concurrent use.
package hpke

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cloudflare/circl/hpke"
	"github.com/cloudflare/circl/kem"
)

const (
	// KeySize is the length of a public key, a private key and an encapsulated key, in bytes.
	KeySize = 32
	// Overhead is how much longer a sealed message is than its plaintext, in bytes: the
	// encapsulated key and the Poly1305 tag.
	Overhead = KeySize + 16
)

// ErrOpen says that a message was not sealed to this key, or was changed on the way. It does
// not say which, as RFC 9180 section 5.2 leaves no way to tell.
var ErrOpen = errors.New("the message cannot be opened with this key: seal it to the key of the current session")

var (
	scheme = hpke.KEM_X25519_HKDF_SHA256.Scheme()
	suite  = hpke.NewSuite(hpke.KEM_X25519_HKDF_SHA256, hpke.KDF_HKDF_SHA256, hpke.AEAD_ChaCha20Poly1305)
)

// Seal encrypts plaintext, of any length, to a raw X25519 public key of KeySize bytes. The
// result is Overhead bytes longer than plaintext and shares no memory with it.
func Seal(publicKey, plaintext []byte) ([]byte, error) {
	encapsulated, ciphertext, err := SealApart(publicKey, plaintext)
	if err != nil {
		return nil, err
	}
	return append(encapsulated, ciphertext...), nil
}

// SealApart is Seal in two pieces, the encapsulated key and the ciphertext, which spares the copy
// that joins them.
func SealApart(publicKey, plaintext []byte) (encapsulated, ciphertext []byte, err error) {
	context, err := Prepare(publicKey)
	if err != nil {
		return nil, nil, err
	}
	return context.Seal(plaintext)
}

// Context is a fresh encryption context for one message. It may be used once.
type Context struct {
	encapsulated []byte
	sealer       hpke.Sealer
	used         atomic.Bool
}

// Prepare makes a context for a message that is yet to come, to a raw X25519 public key of KeySize
// bytes. It is the dear part of sealing a short message, and needs nothing of it (RFC 9180 section
// 5.1.1).
func Prepare(publicKey []byte) (*Context, error) {
	if len(publicKey) != KeySize {
		return nil, fmt.Errorf("a public key of %d bytes: X25519 keys have %d", len(publicKey), KeySize)
	}
	recipient, err := scheme.UnmarshalBinaryPublicKey(publicKey)
	if err != nil {
		return nil, fmt.Errorf("the public key is not a point of X25519: %w", err)
	}
	sender, err := suite.NewSender(recipient, nil)
	if err != nil {
		return nil, fmt.Errorf("hpke sender: %w", err)
	}
	encapsulated, sealer, err := sender.Setup(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("the public key cannot be sealed to: %w", err)
	}
	return &Context{encapsulated: encapsulated, sealer: sealer}, nil
}

// Seal encrypts the one message of the context. The pieces are the caller's.
func (c *Context) Seal(plaintext []byte) (encapsulated, ciphertext []byte, err error) {
	if c.used.Swap(true) {
		return nil, nil, errors.New("the context has sealed its message: prepare another")
	}
	if ciphertext, err = c.sealer.Seal(plaintext, nil); err != nil {
		return nil, nil, fmt.Errorf("hpke seal: %w", err)
	}
	return c.encapsulated, ciphertext, nil
}

// PrivateKey is the enclave's half: it opens what was sealed to PublicKey.
type PrivateKey struct {
	private kem.PrivateKey
	public  []byte
}

// GenerateKey makes a fresh key pair from the system's random source.
func GenerateKey() (*PrivateKey, error) {
	public, private, err := scheme.GenerateKeyPair()
	if err != nil {
		return nil, fmt.Errorf("hpke key: %w", err)
	}
	raw, err := public.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("hpke key: %w", err)
	}
	return &PrivateKey{private: private, public: raw}, nil
}

// PublicKey returns the raw public key, KeySize bytes that the caller may keep and change.
func (k *PrivateKey) PublicKey() []byte {
	return append([]byte(nil), k.public...)
}

// Open decrypts what Seal made for this key. The error is ErrOpen, whatever was wrong.
func (k *PrivateKey) Open(sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead {
		return nil, ErrOpen
	}
	receiver, err := suite.NewReceiver(k.private, nil)
	if err != nil {
		return nil, ErrOpen
	}
	opener, err := receiver.Setup(sealed[:KeySize])
	if err != nil {
		return nil, ErrOpen
	}
	plaintext, err := opener.Open(sealed[KeySize:], nil)
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}
