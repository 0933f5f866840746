package capekey

import (
	"crypto/cipher"
	"encoding/binary"
)

const blockSize = 16

// element is an element of GF(2^128) as SP 800-38D section 6.3 writes it: the most significant
// bit of high is the coefficient of x^0.
type element struct{ high, low uint64 }

func elementOf(block []byte) element {
	return element{binary.BigEndian.Uint64(block), binary.BigEndian.Uint64(block[8:])}
}

func (a element) plus(b element) element { return element{a.high ^ b.high, a.low ^ b.low} }

// times multiplies, in the same time whatever the factors are.
func (a element) times(b element) element {
	var product element
	for i := range 128 {
		word := a.high
		if i >= 64 {
			word = a.low
		}
		bit := -(word >> (63 - i%64) & 1)
		product.high ^= b.high & bit
		product.low ^= b.low & bit
		carry := -(b.low & 1)
		b = element{b.high >> 1, b.low>>1 | b.high<<63}
		b.high ^= carry & (0xe1 << 56)
	}
	return product
}

// ghash is the hash of AES-GCM (SP 800-38D section 6.4) over a text that comes in chunks. The
// standard library computes it only over a text that is in memory as a whole, so that is what it
// is asked for, chunk by chunk and as fast as the machine can; what is done here is to join them.
//
// With H the hash's key, the hash of blocks C1...Cm and a last one L that holds the lengths is
//
//	(C1·H^m + ... + Cm·H + L)·H
//
// so for one chunk the library gives G = P·H + L·H, with P the sum before L, and for all chunks
// joined P·H is found by P·H of those before, times H^m, plus G + L·H.
type ghash struct {
	library cipher.AEAD
	mask    element // what the library adds to its hash, with the nonce that it is always given
	key     element
	power   element // key to the power of the blocks in a full chunk
	joined  element // P·H of all chunks so far
	tag     [blockSize]byte
}

func newGHASH(block cipher.Block) (*ghash, error) {
	library, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	g := &ghash{library: library}
	var zero, first [blockSize]byte
	block.Encrypt(zero[:], zero[:])
	g.key = elementOf(zero[:])
	first[blockSize-1] = 1 // the nonce of zeroes, and the first counter
	block.Encrypt(first[:], first[:])
	g.mask = elementOf(first[:])
	g.power = g.toThe(chunkSize / blockSize)
	return g, nil
}

// toThe gives a power of the key, of 1 or more.
func (g *ghash) toThe(exponent int) element {
	result, square, begun := element{}, g.key, false
	for ; exponent > 0; exponent >>= 1 {
		switch {
		case exponent&1 == 0:
		case begun:
			result = result.times(square)
		default:
			result, begun = square, true
		}
		square = square.times(square)
	}
	return result
}

// add takes the next chunk: a full one, or the last one.
func (g *ghash) add(chunk []byte) {
	if len(chunk) == 0 {
		return
	}
	var nonce [ivSize]byte
	// A tag over additional data alone. Its nonce may repeat, because no tag of this kind leaves
	// this package.
	hash := elementOf(g.library.Seal(g.tag[:0], nonce[:], nil, chunk)).plus(g.mask)
	lengths := element{high: uint64(len(chunk)) * 8}
	power := g.power
	if len(chunk) != chunkSize {
		power = g.toThe((len(chunk) + blockSize - 1) / blockSize)
	}
	g.joined = g.joined.times(power).plus(hash).plus(lengths.times(g.key))
}

// sum gives the hash of a ciphertext of size bytes, which add was given, without additional data.
func (g *ghash) sum(size int64) (hash [blockSize]byte) {
	total := g.joined.plus(element{low: uint64(size) * 8}.times(g.key))
	binary.BigEndian.PutUint64(hash[:], total.high)
	binary.BigEndian.PutUint64(hash[8:], total.low)
	return hash
}
