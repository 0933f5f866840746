//go:build (amd64 || arm64) && !purego

package attest

import (
	"crypto/elliptic"
	"crypto/sha512"
	"math/big"

	"github.com/cloudflare/circl/ecc/p384"
)

// p384Order is the order of the curve's group, which nothing changes.
var p384Order = elliptic.P384().Params().N

// verify does as verifyStandard, in a little over half the time: circl has P-384 in assembly.
// Both s and n-s verify, and AWS emits both. All of it is public, so it need not take constant
// time.
func (k *publicKey) verify(digest *[sha512.Size384]byte, r, s []byte) bool {
	var rInt, sInt, inverse, u1, u2 big.Int
	rInt.SetBytes(r)
	sInt.SetBytes(s)
	if rInt.Sign() == 0 || sInt.Sign() == 0 || rInt.Cmp(p384Order) >= 0 || sInt.Cmp(p384Order) >= 0 {
		return false
	}
	inverse.ModInverse(&sInt, p384Order)
	u1.SetBytes(digest[:])
	u1.Mul(&u1, &inverse).Mod(&u1, p384Order)
	u2.Mul(&rInt, &inverse).Mod(&u2, p384Order)
	curve := p384.P384()
	x, y := curve.CombinedMult(k.x, k.y, u1.Bytes(), u2.Bytes())
	if curve.IsAtInfinity(x, y) {
		return false
	}
	return x.Mod(x, p384Order).Cmp(&rInt) == 0
}
