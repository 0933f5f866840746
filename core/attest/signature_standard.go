//go:build !(amd64 || arm64) || purego

package attest

import "crypto/sha512"

func (k *publicKey) verify(digest *[sha512.Size384]byte, r, s []byte) bool {
	return k.verifyStandard(digest, r, s)
}
