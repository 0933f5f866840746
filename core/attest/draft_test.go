package attest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"testing"
)

// The functions of this group write CBOR, well-formed or not, as they are told.

func cborHead(major byte, n int) []byte {
	switch {
	case n < 24:
		return []byte{major<<5 | byte(n)}
	case n < 1<<8:
		return []byte{major<<5 | 24, byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{major<<5 | 25}, uint16(n))
	}
	return binary.BigEndian.AppendUint64([]byte{major<<5 | 27}, uint64(n))
}

func cborUint(n int) []byte     { return cborHead(0, n) }
func cborBytes(b []byte) []byte { return append(cborHead(majorBytes, len(b)), b...) }
func cborText(s string) []byte  { return append(cborHead(majorText, len(s)), s...) }

func cborArray(items ...[]byte) []byte {
	return append(cborHead(majorArray, len(items)), bytes.Join(items, nil)...)
}

// cborMap takes keys and values in turn.
func cborMap(items ...[]byte) []byte {
	return append(cborHead(majorMap, len(items)/2), bytes.Join(items, nil)...)
}

func cborIndefinite(major byte, items ...[]byte) []byte {
	return append(append([]byte{major<<5 | infoIndefinite}, bytes.Join(items, nil)...), 0xff)
}

var cborNull = []byte{0xf6}

// member is one entry of a payload, both halves encoded.
type member struct{ key, value []byte }

// draft is a document before it is put together. What is not overridden is as AWS has it.
type draft struct {
	tag, array, protected, unprotected []byte // encoded
	members                            []member
	payload                            []byte                      // overrides members
	payloadItem                        func(payload []byte) []byte // overrides the byte string
	signer                             *ecdsa.PrivateKey
	toSign                             func(protected, payload []byte) []byte // overrides the Sig_structure
	signature                          func(raw []byte) []byte                // raw to encoded
	finish                             func(document []byte) []byte
}

var (
	testNonce     = []byte("0123456789abcdef")
	testPublicKey = bytes.Repeat([]byte{7}, 32)
	testFunction  = bytes.Repeat([]byte{0xf1}, 32)
	testKeyPolicy = bytes.Repeat([]byte{0x2e}, 32)
)

const testModule = "i-0123456789abcdef0-enc0123456789abcdef"

func testPCR(index int) []byte {
	if index > 4 && index != 8 {
		return make([]byte, 48)
	}
	sum := sha512.Sum384(fmt.Appendf(nil, "PCR%d", index))
	return sum[:]
}

func testUserData() string {
	function, key := base64.StdEncoding.EncodeToString(testFunction), base64.StdEncoding.EncodeToString(testKeyPolicy)
	return fmt.Sprintf(`{"func_checksum":%q,"func_hash":%q,"key_checksum":%q,"key_policy_hash":%q}`, function, function, key, key)
}

func cborPCRs(count int) []byte {
	var items [][]byte
	for i := range count {
		items = append(items, cborUint(i), cborBytes(testPCR(i)))
	}
	return cborMap(items...)
}

func cborBundle(ders [][]byte) []byte {
	var items [][]byte
	for _, der := range ders {
		items = append(items, cborBytes(der))
	}
	return cborArray(items...)
}

// newDraft is a good document under a chain, whose leaf key signs.
func newDraft(chain [][]byte, signer crypto.Signer) *draft {
	d := &draft{
		array:       []byte{0x84},
		protected:   cborBytes(protectedES384[:]),
		unprotected: []byte{0xa0},
	}
	d.signer, _ = signer.(*ecdsa.PrivateKey)
	last := len(chain) - 1
	d.set("module_id", cborText(testModule))
	d.set("digest", cborText("SHA384"))
	d.set("timestamp", cborUint(int(signedAt.UnixMilli())))
	d.set("pcrs", cborPCRs(16))
	d.set("certificate", cborBytes(chain[last]))
	d.set("cabundle", cborBundle(chain[:last]))
	d.set("public_key", cborBytes(testPublicKey))
	d.set("user_data", cborBytes([]byte(testUserData())))
	d.set("nonce", cborBytes(testNonce))
	return d
}

func (d *draft) set(name string, value []byte) {
	key := cborText(name)
	for i := range d.members {
		if bytes.Equal(d.members[i].key, key) {
			d.members[i].value = value
			return
		}
	}
	d.members = append(d.members, member{key, value})
}

func (d *draft) drop(name string) {
	key := cborText(name)
	d.members = slices.DeleteFunc(d.members, func(m member) bool { return bytes.Equal(m.key, key) })
}

// items lists keys and values in turn.
func (d *draft) items() [][]byte {
	var items [][]byte
	for _, m := range d.members {
		items = append(items, m.key, m.value)
	}
	return items
}

func (d *draft) document(t testing.TB) []byte {
	t.Helper()
	payload := d.payload
	if payload == nil {
		payload = cborMap(d.items()...)
	}
	_, _, _, malformed := readBytes(d.protected, "", "")
	protected := d.protected
	if malformed != nil {
		protected = cborBytes(protectedES384[:])
	}
	toSign := cborArray(cborText("Signature1"), protected, cborBytes(nil), cborBytes(payload))
	if d.toSign != nil {
		toSign = d.toSign(protected, payload)
	}
	raw := make([]byte, signatureSize)
	if d.signer != nil {
		raw = signRaw(t, d.signer, toSign)
	}
	item, signature := cborBytes(payload), cborBytes(raw)
	if d.payloadItem != nil {
		item = d.payloadItem(payload)
	}
	if d.signature != nil {
		signature = d.signature(raw)
	}
	document := slices.Concat(d.tag, d.array, d.protected, d.unprotected, item, signature)
	if d.finish != nil {
		document = d.finish(document)
	}
	return document
}

// signRaw signs with ECDSA and SHA-384, deterministically (RFC 6979), as r and s.
func signRaw(t testing.TB, key *ecdsa.PrivateKey, message []byte) []byte {
	t.Helper()
	digest := sha512.Sum384(message)
	der, err := key.Sign(nil, digest[:], crypto.SHA384)
	if err != nil {
		t.Fatal(err)
	}
	r, s, ok := parseSignature(der)
	if !ok { // of another curve; the verifier must not get that far
		return make([]byte, signatureSize)
	}
	return rawSignature(r, s)
}

func rawSignature(r, s []byte) []byte {
	pad := func(b []byte) []byte {
		b = bytes.TrimLeft(b, "\x00")
		return append(make([]byte, max(0, p384Size-len(b))), b...)
	}
	return append(pad(r), pad(s)...)
}

// goodDocument is a document that everything is right with.
func goodDocument(t testing.TB) []byte {
	t.Helper()
	return newDraft(plainChain(), awsPlan()[leaf].key).document(t)
}

// goodOptions accepts goodDocument for all that it states.
func goodOptions() Options {
	return Options{
		Roots: testRoots(), Time: signedAt.Add(2e9), Nonce: testNonce, PublicKeyLength: 32,
		Policy: &Policy{
			PCRs:             map[int][][]byte{0: {testPCR(0)}, 1: {testPCR(1)}, 2: {testPCR(2)}},
			FunctionChecksum: testFunction, KeyChecksum: testKeyPolicy, MaxAge: 60e9,
		},
	}
}

// negateS is the other signature that verifies: n-s in place of s.
func negateS(raw []byte) []byte {
	s := new(big.Int).SetBytes(raw[p384Size:])
	return rawSignature(raw[:p384Size], s.Sub(elliptic.P384().Params().N, s).Bytes())
}
