package enclave

import (
	"crypto/sha256"
	"maps"
	"slices"
)

// forgeClaims applies the faults that concern what a session asks to have signed.
func (e *Enclave) forgeClaims(c claims) claims {
	if e.faulty(ReplayedNonce) {
		c.nonce = otherBytes(c.nonce)
	}
	if e.faulty(MissingNonce) {
		c.nonce = nil
	}
	if e.faulty(ShortKey) {
		c.publicKey = c.publicKey[:len(c.publicKey)/2]
	}
	if e.faulty(MissingKey) {
		c.publicKey = nil
	}
	if e.faulty(WrongChecksum) {
		c.checksum = otherBytes(c.checksum)
	}
	if e.faulty(MissingChecksum) {
		c.checksum = nil
	}
	return c
}

// otherBytes returns as many bytes as given, of another value; one byte where none was given.
func otherBytes(data []byte) []byte {
	if len(data) == 0 {
		return []byte{0}
	}
	other := slices.Clone(data)
	digest := sha256.Sum256(data)
	for i := range other {
		other[i] ^= digest[i%len(digest)]
	}
	other[0] = data[0] ^ 1
	return other
}

func zeroPCRs() map[int][]byte {
	pcrs := make(map[int][]byte, pcrCount)
	for i := range pcrCount {
		pcrs[i] = make([]byte, pcrSize)
	}
	return pcrs
}

func wrongPCRs(pcrs map[int][]byte) map[int][]byte {
	wrong := maps.Clone(pcrs)
	wrong[0] = otherBytes(pcrs[0])
	return wrong
}
