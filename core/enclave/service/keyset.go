package service

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/libcape/libcape/core/attest"
)

// parseKeySet reads a JSON Web Key Set (RFC 7517 section 5).
func parseKeySet(text []byte) ([]Issuer, error) {
	if err := attest.CheckJSON(text); err != nil {
		return nil, fmt.Errorf("it is no JSON Web Key Set: it %w", err)
	}
	var set map[string]json.RawMessage
	var keys []webKey
	if json.Unmarshal(text, &set) != nil || json.Unmarshal(set["keys"], &keys) != nil {
		return nil, errors.New(`it is no JSON Web Key Set: give an object with "keys", each of them an object`)
	}
	if len(keys) > maxIssuers {
		return nil, fmt.Errorf("it has %d keys: it may have %d", len(keys), maxIssuers)
	}
	var found []Issuer
	ids := map[string]bool{}
	for number, key := range keys {
		issuer, err := key.issuer()
		if errors.Is(err, errOtherKey) {
			continue
		}
		if err == nil && issuer.ID == signerName {
			err = fmt.Errorf("its kid is %q, which is what the enclave calls its own: rename it", signerName)
		}
		if err == nil && issuer.ID != "" && ids[issuer.ID] {
			err = errors.New("its kid is that of another key")
		}
		if err != nil {
			return nil, fmt.Errorf("key %d of the set: %w", number+1, err)
		}
		ids[issuer.ID] = true
		found = append(found, issuer)
	}
	if len(found) == 0 {
		return nil, errors.New("the set has no key that signs tokens: RSA, P-256, P-384 or Ed25519")
	}
	return found, nil
}

// errOtherKey says that a key is none that concerns a service.
var errOtherKey = errors.New("a key for something else")

// webKey is one key (RFC 7517 section 4), by the exact names of its members.
type webKey map[string]json.RawMessage

// text is a member that has to be text; "" where there is none.
func (k webKey) text(name string) (string, error) {
	raw, there := k[name]
	if !there {
		return "", nil
	}
	var text *string
	if json.Unmarshal(raw, &text) != nil || text == nil || *text == "" {
		return "", fmt.Errorf("its %q is no text", name)
	}
	return *text, nil
}

// bytes is a member in base64url without padding; size is how many it has, 0: any number, without zeroes
// in front.
func (k webKey) bytes(name string, size int) ([]byte, error) {
	text, err := k.text(name)
	if err != nil {
		return nil, err
	}
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(decoded) == 0 || size != 0 && len(decoded) != size || size == 0 && decoded[0] == 0 {
		return nil, fmt.Errorf("its %q is not what RFC 7518 section 6 asks for", name)
	}
	return decoded, nil
}

func (k webKey) issuer() (i Issuer, err error) {
	if k["d"] != nil || k["k"] != nil {
		return i, errors.New("it is a secret key: give the public ones alone")
	}
	kind, kindErr := k.text("kty")
	use, useErr := k.text("use")
	id, idErr := k.text("kid")
	method, methodErr := k.text("alg")
	if err := errors.Join(kindErr, useErr, idErr, methodErr); err != nil {
		return i, err
	}
	var operations []string
	if raw, there := k["key_ops"]; there && json.Unmarshal(raw, &operations) != nil {
		return i, errors.New(`its "key_ops" is no list`)
	} else if use != "" && use != "sig" || there && !slices.Contains(operations, "verify") {
		return i, errOtherKey
	}
	i = Issuer{ID: id, Method: method}
	switch kind {
	case "RSA":
		i.Key, err = k.rsa()
	case "EC":
		i.Key, err = k.ecdsa()
	case "OKP":
		i.Key, err = k.edwards()
	case "":
		err = errors.New(`it has no "kty"`)
	default:
		err = errOtherKey
	}
	if err == nil {
		_, err = i.methods()
	}
	return i, err
}

// rsa is that of RFC 7518 section 6.3.
func (k webKey) rsa() (*rsa.PublicKey, error) {
	modulus, err := k.bytes("n", 0)
	if err != nil {
		return nil, err
	}
	exponent, err := k.bytes("e", 0)
	if err != nil {
		return nil, err
	}
	e := new(big.Int).SetBytes(exponent)
	if e.BitLen() > 31 || e.Bit(0) == 0 || e.Int64() < 3 {
		return nil, errors.New(`its "e" is no exponent that is used: 65537 is usual`)
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(e.Int64())}, nil
}

// ecdsa is that of RFC 7518 section 6.2.
func (k webKey) ecdsa() (*ecdsa.PublicKey, error) {
	name, err := k.text("crv")
	if err != nil {
		return nil, err
	}
	curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384()}[name]
	if curve == nil {
		return nil, errOtherKey
	}
	size := curve.Params().BitSize / 8
	x, xErr := k.bytes("x", size)
	y, yErr := k.bytes("y", size)
	if err := errors.Join(xErr, yErr); err != nil {
		return nil, err
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, fmt.Errorf("it is no point of %s", name)
	}
	return key, nil
}

// edwards is that of RFC 8037 section 2.
func (k webKey) edwards() (ed25519.PublicKey, error) {
	name, err := k.text("crv")
	if err != nil {
		return nil, err
	}
	if name != "Ed25519" {
		return nil, errOtherKey
	}
	return k.bytes("x", ed25519.PublicKeySize)
}
