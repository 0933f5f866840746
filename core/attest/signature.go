package attest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"crypto/x509"
	"math/big"
)

// publicKey is an ECDSA key on P-384, with its point in the form that fast verifying takes.
type publicKey struct {
	ecdsa *ecdsa.PublicKey
	x, y  *big.Int
}

const p384Size = 48

// newPublicKey returns nil where the certificate's key is not ECDSA on P-384. crypto/x509 has
// checked that the point is on the curve.
func newPublicKey(cert *x509.Certificate) *publicKey {
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P384() {
		return nil
	}
	point, err := key.Bytes()
	if err != nil || len(point) != 1+2*p384Size {
		return nil
	}
	return &publicKey{
		ecdsa: key,
		x:     new(big.Int).SetBytes(point[1 : 1+p384Size]),
		y:     new(big.Int).SetBytes(point[1+p384Size:]),
	}
}

// verifyStandard is ECDSA verification (FIPS 186-5 section 6.4.2) of a SHA-384 digest, r and s
// being big-endian, by crypto/ecdsa.
func (k *publicKey) verifyStandard(digest *[sha512.Size384]byte, r, s []byte) bool {
	return ecdsa.Verify(k.ecdsa, digest[:], new(big.Int).SetBytes(r), new(big.Int).SetBytes(s))
}

// parseSignature takes r and s out of the DER of an ECDSA signature (RFC 3279 section 2.2.3) for
// P-384, where every length is a single byte.
func parseSignature(der []byte) (r, s []byte, ok bool) {
	if len(der) < 2 || der[0] != 0x30 || int(der[1]) != len(der)-2 || der[1] >= 0x80 {
		return nil, nil, false
	}
	r, rest, ok := parseInteger(der[2:])
	if !ok {
		return nil, nil, false
	}
	s, rest, ok = parseInteger(rest)
	if !ok || len(rest) != 0 {
		return nil, nil, false
	}
	return r, s, true
}

func parseInteger(der []byte) (value, rest []byte, ok bool) {
	if len(der) < 3 || der[0] != 0x02 || der[1] == 0 || int(der[1]) > len(der)-2 || der[1] >= 0x80 {
		return nil, nil, false
	}
	value, rest = der[2:2+der[1]], der[2+der[1]:]
	if value[0] >= 0x80 || value[0] == 0 && len(value) > 1 && value[1] < 0x80 {
		return nil, nil, false // negative, or longer than it need be
	}
	return value, rest, true
}
