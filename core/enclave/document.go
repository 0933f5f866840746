package enclave

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha512"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// document is the payload of an attestation document (AWS Nitro Enclaves, nsm-api, attestation
// process, section 3.1). A nil byte string is encoded as null.
type document struct {
	ModuleID    string         `cbor:"module_id"`
	Digest      string         `cbor:"digest"`
	Timestamp   uint64         `cbor:"timestamp"` // milliseconds since 1970
	PCRs        map[int][]byte `cbor:"pcrs"`
	Certificate []byte         `cbor:"certificate"`
	CABundle    [][]byte       `cbor:"cabundle"`
	PublicKey   []byte         `cbor:"public_key"`
	UserData    []byte         `cbor:"user_data"`
	Nonce       []byte         `cbor:"nonce"`
}

func (d *document) identify(moduleID string, by *identity, at time.Time) {
	d.ModuleID = moduleID
	d.Digest = "SHA384"
	d.Timestamp = uint64(at.UnixMilli())
	d.Certificate = by.leaf.certificate.Raw
	d.CABundle = by.cabundle
}

func (d *document) encode() ([]byte, error) {
	return encodeCBOR(d)
}

// protectedHeader is the CBOR map {1: -35}: the algorithm is ES384 (RFC 9053 section 2.1).
const protectedHeader = "\xa1\x01\x38\x22"

// seal makes an untagged COSE_Sign1 message (RFC 9052 section 4.2). signed is the payload that
// the signature is for, shipped the one that the message carries: they differ only on purpose.
func seal(signed, shipped []byte, key *ecdsa.PrivateKey) ([]byte, error) {
	structure, err := encodeCBOR([]any{"Signature1", []byte(protectedHeader), []byte{}, signed})
	if err != nil {
		return nil, err
	}
	digest := sha512.Sum384(structure)
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return nil, fmt.Errorf("sign the document: %w", err)
	}
	signature := make([]byte, 96)
	r.FillBytes(signature[:48])
	s.FillBytes(signature[48:])
	return encodeCBOR([]any{[]byte(protectedHeader), map[int]int{}, shipped, signature})
}

func encodeCBOR(value any) ([]byte, error) {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, fmt.Errorf("cbor: %w", err)
	}
	encoded, err := mode.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("cbor: %w", err)
	}
	return encoded, nil
}
