// Package capekey is Cape ciphertext: what anyone may seal to the Cape key of an enclave's user,
// and only that enclave can open.
//
// A Cape key is RSA-4096; its public half is passed on as SubjectPublicKeyInfo in DER. A
// ciphertext is
//
//	RSA-OAEP(SHA-256, MGF1-SHA-256, no label, AES key) ‖ IV ‖ AES-256-GCM ciphertext ‖ tag
//
// with an AES key of 32 bytes and an IV of 12, both fresh for each ciphertext, a tag of 16 and no
// additional data (RFC 8017 section 7.1, NIST SP 800-38D). It comes in two forms, each behind the
// prefix "cape:": the raw form has those bytes, the text form their base64 (RFC 4648 section 4).
//
// A ciphertext says nothing about who made it. Whoever can alter it cannot choose what it opens
// to, but can replace it.
package capekey

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
)

// Prefix begins every ciphertext, in both forms.
const Prefix = "cape:"

const (
	// KeyBits is the size of a Cape key.
	KeyBits = 4096

	wrappedSize = KeyBits / 8 // bytes of the AES key under RSA
	keySize     = 32
	ivSize      = 12
	tagSize     = 16

	// Overhead is how many bytes the raw form is longer than the plaintext.
	Overhead = len(Prefix) + wrappedSize + ivSize + tagSize
)

// Error says that a key or a ciphertext is of no use. Reason is a stable word: "argument.key" or
// "argument.ciphertext".
type Error struct {
	Reason string
	Text   string
}

func (e *Error) Error() string { return e.Text }

// ErrorReason is Reason, for those who know errors of several packages by it.
func (e *Error) ErrorReason() string { return e.Reason }

// errCiphertext is all that is said of any ciphertext that cannot be opened: to tell why would
// help whoever tries to make one.
func errCiphertext() error {
	return &Error{"argument.ciphertext", "the Cape ciphertext cannot be decrypted: encrypt to this user's key, and pass on every byte"}
}

// ParsePublicKey reads the public half of a Cape key: DER, SubjectPublicKeyInfo, RSA-4096.
func ParsePublicKey(der []byte) (*rsa.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, &Error{"argument.key", "the Cape key is not a public key in DER (SubjectPublicKeyInfo)"}
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok || key.N.BitLen() != KeyBits {
		return nil, &Error{"argument.key", "the Cape key is not an RSA key of 4096 bits"}
	}
	return key, nil
}

// Encrypt seals a plaintext of any length to a public key (see [ParsePublicKey]), in the raw form.
func Encrypt(publicKey, plaintext []byte) ([]byte, error) {
	header, block, err := begin(publicKey)
	if err != nil {
		return nil, err
	}
	sealer, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, len(header), len(header)+len(plaintext)+tagSize)
	copy(sealed, header)
	return sealer.Seal(sealed, header[len(header)-ivSize:], plaintext, nil), nil
}

// EncryptText seals as [Encrypt] does, in the text form: ASCII, without white space.
func EncryptText(publicKey, plaintext []byte) ([]byte, error) {
	raw, err := Encrypt(publicKey, plaintext)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.AppendEncode([]byte(Prefix), raw[len(Prefix):]), nil
}

// begin makes what stands before the AES-GCM ciphertext, and the cipher for it. The IV is the
// header's end.
func begin(publicKey []byte) (header []byte, block cipher.Block, err error) {
	recipient, err := ParsePublicKey(publicKey)
	if err != nil {
		return nil, nil, err
	}
	key := make([]byte, keySize)
	defer clear(key)
	_, _ = rand.Read(key) // never fails: it ends the process where no randomness is to be had
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, recipient, key, nil)
	if err != nil {
		return nil, nil, &Error{"argument.key", "the Cape key cannot be used: " + err.Error()}
	}
	if block, err = aes.NewCipher(key); err != nil {
		return nil, nil, err
	}
	header = append([]byte(Prefix), wrapped...)
	header = append(header, make([]byte, ivSize)...)
	_, _ = rand.Read(header[len(header)-ivSize:])
	return header, block, nil
}

// IsCiphertext says that data begins as a ciphertext does. Whether it can be opened is for
// [Decrypt] to find.
func IsCiphertext(data []byte) bool { return bytes.HasPrefix(data, []byte(Prefix)) }

// Decrypt opens a ciphertext of either form. The text form may have white space around what
// follows the prefix, such as a line break at its end. Whatever is wrong, the error is the same
// one. ciphertext is not changed; the plaintext is the caller's.
func Decrypt(private *rsa.PrivateKey, ciphertext []byte) ([]byte, error) {
	return decrypt(private, ciphertext, false)
}

// DecryptInPlace is [Decrypt] for a ciphertext that nobody needs any more: the plaintext of the raw
// form takes its place, so that a large one is in memory only once. After an error nothing of the
// plaintext is there.
func DecryptInPlace(private *rsa.PrivateKey, ciphertext []byte) ([]byte, error) {
	return decrypt(private, ciphertext, true)
}

func decrypt(private *rsa.PrivateKey, ciphertext []byte, inPlace bool) ([]byte, error) {
	if private == nil || private.Size() != wrappedSize || !IsCiphertext(ciphertext) {
		return nil, errCiphertext()
	}
	sealed := ciphertext[len(Prefix):]
	if text := bytes.Trim(sealed, " \t\r\n\v\f"); isText(text) {
		decoded := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
		n, err := base64.StdEncoding.Strict().Decode(decoded, text)
		if err != nil {
			return nil, errCiphertext()
		}
		sealed, inPlace = decoded[:n], true
	}
	if len(sealed) < wrappedSize+ivSize+tagSize {
		return nil, errCiphertext()
	}
	key, err := rsa.DecryptOAEP(sha256.New(), nil, private, sealed[:wrappedSize], nil)
	if err != nil || len(key) != keySize {
		return nil, errCiphertext()
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errCiphertext()
	}
	opener, err := cipher.NewGCM(block)
	if err != nil {
		return nil, errCiphertext()
	}
	iv, body := sealed[wrappedSize:wrappedSize+ivSize], sealed[wrappedSize+ivSize:]
	var into []byte // nil: memory of its own
	if inPlace {
		into = body[:0]
	}
	plaintext, err := opener.Open(into, iv, body, nil)
	if err != nil {
		return nil, errCiphertext()
	}
	return plaintext, nil
}

// isText says that data is of base64's characters alone and of a length that it can have. It
// allocates nothing, so that a large ciphertext in the raw form costs nothing here.
func isText(data []byte) bool {
	if len(data)%4 != 0 {
		return false
	}
	for _, c := range bytes.TrimRight(data, "=") {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '+', c == '/':
		default:
			return false
		}
	}
	return true
}
