package capekey

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"io"
)

// chunkSize is how much a Writer gathers before it encrypts it, in bytes: whole blocks.
const chunkSize = 64 << 10

// Writer encrypts as [Encrypt] does, in the raw form, what it is given in pieces of any size. It
// holds no more than some 200 KiB, however long the plaintext is. It is not safe for concurrent use.
type Writer struct {
	to       io.Writer
	stream   cipher.Stream
	hash     *ghash
	mask     [blockSize]byte // what the last step adds to the hash to make the tag
	pending  []byte
	ended    bool
	fault    error
	received int64
}

// maxPlaintext is how long a plaintext may be under one IV, in bytes (SP 800-38D section 5.2.1.1).
const maxPlaintext = 1<<36 - 32

// NewWriter encrypts to a public key (see [ParsePublicKey]) and writes the ciphertext's beginning.
func NewWriter(to io.Writer, publicKey []byte) (*Writer, error) {
	header, block, err := begin(publicKey)
	if err != nil {
		return nil, err
	}
	w := &Writer{to: to, pending: make([]byte, 0, chunkSize)}
	if w.hash, err = newGHASH(block); err != nil {
		return nil, err
	}
	// SP 800-38D section 7.1 for an IV of 96 bits: the first counter makes the mask of the tag, and
	// the plaintext begins at the next. It has 32 bits, which maxPlaintext keeps from a carry.
	var counter [blockSize]byte
	copy(counter[:], header[len(header)-ivSize:])
	binary.BigEndian.PutUint32(counter[ivSize:], 1)
	w.stream = cipher.NewCTR(block, counter[:])
	w.stream.XORKeyStream(w.mask[:], w.mask[:])
	if _, err := to.Write(header); err != nil {
		return nil, err
	}
	return w, nil
}

// Write takes a piece of the plaintext, of which it keeps a copy until it is encrypted.
func (w *Writer) Write(plaintext []byte) (int, error) {
	if w.ended {
		return 0, errors.New("the ciphertext is complete: begin another")
	}
	if w.received += int64(len(plaintext)); w.received > maxPlaintext {
		w.fault = errors.New("the plaintext is over 64 GiB: encrypt it in parts")
	}
	taken := 0
	for taken < len(plaintext) && w.fault == nil {
		room := min(chunkSize-len(w.pending), len(plaintext)-taken)
		w.pending = append(w.pending, plaintext[taken:taken+room]...)
		taken += room
		if len(w.pending) == chunkSize {
			w.fault = w.flush()
		}
	}
	return taken, w.fault
}

func (w *Writer) flush() error {
	w.stream.XORKeyStream(w.pending, w.pending)
	w.hash.add(w.pending)
	_, err := w.to.Write(w.pending)
	w.pending = w.pending[:0]
	return err
}

// Close writes the rest, and the tag without which nothing of the ciphertext can be opened. It
// does not close what the Writer writes to.
func (w *Writer) Close() error {
	if w.ended || w.fault != nil {
		w.ended = true
		return w.fault
	}
	w.ended = true
	if w.fault = w.flush(); w.fault != nil {
		return w.fault
	}
	tag := w.hash.sum(w.received)
	for i := range tag {
		tag[i] ^= w.mask[i]
	}
	_, w.fault = w.to.Write(tag[:])
	return w.fault
}
