package service

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

// Issuer is a key whose access tokens are good.
type Issuer struct {
	Key    any    // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	ID     string // tokens that name another key are not signed with it; empty: any may be
	Method string // the only way of signing, such as "ES256"; empty: each that goes with the key
}

const (
	// Sizes of RSA keys that sign tokens. Larger ones only cost time.
	minRSABits, maxRSABits = 2048, 8192
	maxIssuersFile         = 1 << 20 // bytes
	maxIssuers             = 100
)

// ParseIssuers reads the public keys of a file: a JSON Web Key Set (RFC 7517 section 5), or one or more in
// PEM as [ParsePublicKey] takes them. Of a set, keys that are not for signatures and kinds of keys that are
// not known here are left out, as that section has it.
func ParseIssuers(text []byte) ([]Issuer, error) {
	if len(text) > maxIssuersFile {
		return nil, fmt.Errorf("it has more than %d bytes: give the keys alone", maxIssuersFile)
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return parseKeySet(text)
	}
	var found []Issuer
	for len(bytes.TrimSpace(text)) > 0 {
		key, rest, err := nextPublicKey(text)
		if err != nil {
			return nil, err
		}
		if found = append(found, Issuer{Key: key}); len(found) > maxIssuers {
			return nil, fmt.Errorf("it has more than %d keys", maxIssuers)
		}
		text = rest
	}
	if len(found) == 0 {
		return nil, errors.New("it is empty: give a public key in PEM, or a JSON Web Key Set")
	}
	return found, nil
}

// ParsePublicKey reads a key that signs tokens, in PEM: SubjectPublicKeyInfo or PKCS#1, RSA with
// 2048 to 8192 bits, ECDSA on P-256 or P-384, or Ed25519. It returns a *rsa.PublicKey, a
// *ecdsa.PublicKey or an ed25519.PublicKey.
func ParsePublicKey(text []byte) (any, error) {
	key, rest, err := nextPublicKey(text)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("there is more than one key in PEM: give one")
	}
	return key, nil
}

func nextPublicKey(text []byte) (key any, rest []byte, err error) {
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, nil, errors.New("it is no PEM")
	}
	if block.Type == "RSA PUBLIC KEY" {
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	} else {
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	}
	if err != nil {
		return nil, nil, errors.New("it is no public key in PEM")
	}
	if _, err := methods(key); err != nil {
		return nil, nil, err
	}
	return key, rest, nil
}

// methods are the ways of signing that go with a key (RFC 7518 section 3.1, RFC 8037 section 3.1).
func methods(key any) ([]string, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, fmt.Errorf("it has %d bits: an RSA key that signs tokens has %d to %d", bits, minRSABits, maxRSABits)
		}
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, nil
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return []string{"ES256"}, nil
		case elliptic.P384():
			return []string{"ES384"}, nil
		}
	case ed25519.PublicKey:
		return []string{"EdDSA"}, nil
	}
	return nil, errors.New("it is neither an RSA key nor one on P-256, P-384 or Ed25519")
}

// methods are those of an issuer.
func (i *Issuer) methods() ([]string, error) {
	all, err := methods(i.Key)
	if err != nil || i.Method == "" {
		return all, err
	}
	if !slices.Contains(all, i.Method) {
		return nil, fmt.Errorf("it is said to sign with %.20q, which does not go with it", i.Method)
	}
	return []string{i.Method}, nil
}
