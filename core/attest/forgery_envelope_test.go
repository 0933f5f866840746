package attest

import (
	"bytes"
	"crypto/elliptic"
	"encoding/base64"
	"slices"
)

// envelopeForgeries are documents whose COSE_Sign1 is not as AWS makes it. But for those that are
// cut, the signature over the payload is good in each.
func envelopeForgeries() []forgery {
	protected := func(content ...byte) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) { d.protected = cborBytes(content) }
	}
	protectedItem := func(item ...byte) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) { d.protected = item }
	}
	unprotected := func(item ...byte) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) { d.unprotected = item }
	}
	tag := func(head ...byte) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) { d.tag = head }
	}
	array := func(head ...byte) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) { d.array = head }
	}
	payloadItem := func(item func([]byte) []byte) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) { d.payloadItem = item }
	}
	signature := func(item func([]byte) []byte) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) { d.signature = item }
	}
	appended := func(tail ...byte) func([]byte) []byte {
		return func(document []byte) []byte { return append(document, tail...) }
	}
	cut := func(n int) func([]byte) []byte {
		return func(document []byte) []byte { return document[:len(document)-n] }
	}
	return []forgery{
		{name: "empty", why: "no bytes at all", reason: "parse.empty", raw: func([]byte) []byte { return nil }},
		{name: "too-large", why: "over 16 KiB, correctly signed", reason: "parse.too_large",
			draft: func(d *draft, _ [][]byte) { d.set("filler", cborBytes(make([]byte, maxDocument))) }},
		{name: "one-byte", why: "only the array's head", reason: "cbor.truncated", raw: func([]byte) []byte { return []byte{0x84} }},
		{name: "reserved-head", why: "additional information 28, which CBOR reserves", reason: "cbor.malformed", raw: func([]byte) []byte { return []byte{0x9c} }},
		{name: "cut-in-signature", why: "the last 10 bytes are missing", reason: "cbor.truncated", raw: cut(10)},
		{name: "cut-before-signature", why: "the signature is missing", reason: "cbor.truncated", raw: cut(98)},
		{name: "cut-in-payload", why: "cut in the payload", reason: "cbor.truncated", raw: cut(200)},
		{name: "trailing-byte", why: "a byte after the COSE_Sign1", reason: "cbor.trailing", raw: appended(0)},
		{name: "trailing-break", why: "a CBOR break after the COSE_Sign1", reason: "cbor.trailing", raw: appended(0xff)},
		{name: "twice", why: "the document twice over", reason: "cbor.trailing",
			raw: func(document []byte) []byte { return slices.Concat(document, document) }},
		{name: "base64", why: "the document as base64 text", reason: "cose.structure",
			raw: func(document []byte) []byte { return base64.StdEncoding.AppendEncode(nil, document) }},

		{name: "tag-17", why: "tagged COSE_Mac0", reason: "cose.tag", draft: tag(0xd1)},
		{name: "tag-98", why: "tagged COSE_Sign", reason: "cose.tag", draft: tag(0xd8, 98)},
		{name: "tag-61", why: "tagged CWT", reason: "cose.tag", draft: tag(0xd8, 61)},
		{name: "tag-55799", why: "tagged self-described CBOR", reason: "cose.tag", draft: tag(0xd9, 0xd9, 0xf7)},
		{name: "tag-18-long", why: "tag 18 in two bytes", reason: "cose.tag", draft: tag(0xd8, 18)},
		{name: "tag-18-twice", why: "tag 18 twice", reason: "cose.structure", draft: tag(0xd2, 0xd2)},

		{name: "array-3", why: "an array of three", reason: "cose.structure", draft: array(0x83)},
		{name: "array-5", why: "an array of five", reason: "cose.structure", draft: array(0x85), raw: appended(0xf6)},
		{name: "array-indefinite", why: "an array of indefinite length", reason: "cbor.indefinite", draft: array(0x9f), raw: appended(0xff)},
		{name: "array-long-head", why: "the array's length in two bytes", reason: "cbor.not_minimal", draft: array(0x98, 4)},
		{name: "map-envelope", why: "a map in place of the array", reason: "cose.structure", draft: array(0xa2)},
		{name: "wrapped", why: "the document as a byte string", reason: "cose.structure", raw: cborBytes},
		{name: "nested-array", why: "10,000 nested arrays", reason: "cose.structure",
			raw: func([]byte) []byte { return bytes.Repeat([]byte{0x81}, 10000) }},

		{name: "protected-empty", why: "no protected header", reason: "cose.alg", draft: protected()},
		{name: "protected-empty-map", why: "a protected header without an algorithm", reason: "cose.alg", draft: protected(0xa0)},
		{name: "alg-es256", why: "algorithm ES256", reason: "cose.alg", draft: protected(0xa1, 0x01, 0x26)},
		{name: "alg-es512", why: "algorithm ES512", reason: "cose.alg", draft: protected(0xa1, 0x01, 0x38, 0x23)},
		{name: "alg-eddsa", why: "algorithm EdDSA", reason: "cose.alg", draft: protected(0xa1, 0x01, 0x27)},
		{name: "alg-positive", why: "algorithm 35 in place of -35", reason: "cose.alg", draft: protected(0xa1, 0x01, 0x18, 0x23)},
		{name: "alg-null", why: "algorithm null", reason: "cose.alg", draft: protected(0xa1, 0x01, 0xf6)},
		{name: "alg-long", why: "algorithm -35 in three bytes", reason: "cose.protected", draft: protected(0xa1, 0x01, 0x39, 0x00, 0x22)},
		{name: "alg-unprotected", why: "the algorithm in the unprotected header only", reason: "cose.alg",
			draft: func(d *draft, _ [][]byte) { d.protected, d.unprotected = cborBytes(nil), protectedES384[:] }},
		{name: "protected-kid", why: "a key id beside the algorithm", reason: "cose.protected", draft: protected(0xa2, 0x01, 0x38, 0x22, 0x04, 0x41, 0x31)},
		{name: "protected-crit", why: "a critical header beside the algorithm", reason: "cose.protected", draft: protected(0xa2, 0x01, 0x38, 0x22, 0x02, 0x81, 0x04)},
		{name: "protected-alg-twice", why: "the algorithm twice", reason: "cose.protected", draft: protected(0xa2, 0x01, 0x38, 0x22, 0x01, 0x26)},
		{name: "protected-indefinite", why: "a header map of indefinite length", reason: "cose.protected", draft: protected(0xbf, 0x01, 0x38, 0x22, 0xff)},
		{name: "protected-trailing", why: "a byte after the header map", reason: "cose.protected", draft: protected(0xa1, 0x01, 0x38, 0x22, 0x00)},
		{name: "protected-map", why: "the protected header as a map", reason: "cose.protected", draft: protectedItem(protectedES384[:]...)},
		{name: "protected-text", why: "the protected header as text", reason: "cose.protected", draft: protectedItem(0x61, 0x20)},
		{name: "protected-chunked", why: "the protected header in chunks", reason: "cbor.chunked", draft: protectedItem(0x5f, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xff)},
		{name: "protected-long-head", why: "the protected header's length in two bytes", reason: "cbor.not_minimal", draft: protectedItem(0x58, 4, 0xa1, 0x01, 0x38, 0x22)},

		{name: "unprotected-kid", why: "a key id that no signature covers", reason: "cose.unprotected", draft: unprotected(0xa1, 0x04, 0x41, 0x31)},
		{name: "unprotected-alg", why: "the algorithm in the unprotected header too", reason: "cose.unprotected", draft: unprotected(protectedES384[:]...)},
		{name: "unprotected-null", why: "null in place of the unprotected header", reason: "cose.unprotected", draft: unprotected(0xf6)},
		{name: "unprotected-array", why: "an array in place of the unprotected header", reason: "cose.unprotected", draft: unprotected(0x80)},
		{name: "unprotected-indefinite", why: "an empty map of indefinite length", reason: "cose.unprotected", draft: unprotected(0xbf, 0xff)},
		{name: "unprotected-long-head", why: "an empty map with its length in two bytes", reason: "cose.unprotected", draft: unprotected(0xb8, 0)},

		{name: "payload-null", why: "a detached payload", reason: "cose.payload", draft: payloadItem(func([]byte) []byte { return cborNull })},
		{name: "payload-bare", why: "the payload's map without its byte string", reason: "cose.payload", draft: payloadItem(slices.Clone[[]byte])},
		{name: "payload-text", why: "the payload as text", reason: "cose.payload", draft: payloadItem(func(p []byte) []byte { return cborText(string(p)) })},
		{name: "payload-chunked", why: "the payload in chunks", reason: "cbor.chunked",
			draft: payloadItem(func(p []byte) []byte { return cborIndefinite(majorBytes, cborBytes(p[:100]), cborBytes(p[100:])) })},
		{name: "payload-long-head", why: "the payload's length in four bytes", reason: "cbor.not_minimal",
			draft: payloadItem(func(p []byte) []byte { return append([]byte{0x5a, 0, 0, byte(len(p) >> 8), byte(len(p))}, p...) })},
		{name: "payload-huge-length", why: "a payload said to be of 2^63 bytes", reason: "cbor.truncated",
			draft: payloadItem(func(p []byte) []byte { return append([]byte{0x5b, 0x80, 0, 0, 0, 0, 0, 0, 0}, p...) })},

		{name: "signature-missing", why: "an empty signature", reason: "cose.signature_length", draft: signature(func([]byte) []byte { return cborBytes(nil) })},
		{name: "signature-95", why: "a signature of 95 bytes", reason: "cose.signature_length", draft: signature(func(raw []byte) []byte { return cborBytes(raw[:95]) })},
		{name: "signature-97", why: "a signature of 97 bytes", reason: "cose.signature_length", draft: signature(func(raw []byte) []byte { return cborBytes(append(raw, 0)) })},
		{name: "signature-der", why: "the signature as DER", reason: "cose.signature_length", draft: signature(func(raw []byte) []byte { return cborBytes(derSignature(raw)) })},
		{name: "signature-null", why: "null in place of the signature", reason: "cose.signature", draft: signature(func([]byte) []byte { return cborNull })},
		{name: "signature-text", why: "the signature as text", reason: "cose.signature", draft: signature(func([]byte) []byte { return cborText("signed") })},
		{name: "signature-chunked", why: "the signature in chunks", reason: "cbor.chunked",
			draft: signature(func(raw []byte) []byte { return cborIndefinite(majorBytes, cborBytes(raw[:48]), cborBytes(raw[48:])) })},
		{name: "signature-long-head", why: "the signature's length in three bytes", reason: "cbor.not_minimal",
			draft: signature(func(raw []byte) []byte { return append([]byte{0x59, 0, 96}, raw...) })},
	}
}

// derSignature encodes r and s as DER.
func derSignature(raw []byte) []byte {
	integer := func(b []byte) []byte {
		b = bytes.TrimLeft(b, "\x00")
		if b[0] >= 0x80 {
			b = append([]byte{0}, b...)
		}
		return append([]byte{0x02, byte(len(b))}, b...)
	}
	body := append(integer(raw[:48]), integer(raw[48:])...)
	return append([]byte{0x30, byte(len(body))}, body...)
}

// signatureForgeries are well-formed documents that their leaf certificate did not sign.
func signatureForgeries() []forgery {
	signature := func(r, s []byte) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) {
			d.signature = func(raw []byte) []byte {
				newR, newS := r, s
				if newR == nil {
					newR = raw[:48]
				}
				if newS == nil {
					newS = raw[48:]
				}
				return cborBytes(rawSignature(newR, newS))
			}
		}
	}
	zero, one, most := []byte{0}, []byte{1}, bytes.Repeat([]byte{0xff}, 48)
	order := elliptic.P384().Params().N.Bytes()
	toSign := func(build func(protected, payload []byte) []byte) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) { d.toSign = build }
	}
	flip := func(fromEnd int) func([]byte) []byte {
		return func(document []byte) []byte {
			document[len(document)-fromEnd] ^= 1
			return document
		}
	}
	forgeries := []forgery{
		{name: "signature-flipped", why: "a bit of the signature is flipped", raw: flip(1)},
		{name: "payload-flipped", why: "a bit of the nonce is flipped", raw: flip(99)},
		{name: "signature-zero", why: "r and s are zero", draft: signature(zero, zero)},
		{name: "signature-r-zero", why: "r is zero", draft: signature(zero, nil)},
		{name: "signature-s-zero", why: "s is zero", draft: signature(nil, zero)},
		{name: "signature-one", why: "r and s are one", draft: signature(one, one)},
		{name: "signature-r-order", why: "r is the group's order", draft: signature(order, nil)},
		{name: "signature-s-order", why: "s is the group's order", draft: signature(nil, order)},
		{name: "signature-ones", why: "every bit of the signature is set", draft: signature(most, most)},
		{name: "signature-swapped", why: "s before r", draft: func(d *draft, _ [][]byte) {
			d.signature = func(raw []byte) []byte { return cborBytes(slices.Concat(raw[48:], raw[:48])) }
		}},
		{name: "signed-by-stranger", why: "signed by a key without a certificate",
			draft: func(d *draft, _ [][]byte) { d.signer = foreignKey() }},
		{name: "signed-by-issuer", why: "signed by the CA that issued the leaf",
			draft: func(d *draft, _ [][]byte) { d.signer = p384Key("i-0123456789abcdef0.nitro-enclaves.test") }},
		{name: "signed-payload-alone", why: "the signature covers the payload without its Sig_structure",
			draft: toSign(func(_, payload []byte) []byte { return payload })},
		{name: "signed-other-context", why: "the signature is that of a COSE_Sign",
			draft: toSign(func(protected, payload []byte) []byte {
				return cborArray(cborText("Signature"), protected, cborBytes(nil), cborBytes(payload))
			})},
		{name: "signed-with-aad", why: "the signature covers external data as well",
			draft: toSign(func(protected, payload []byte) []byte {
				return cborArray(cborText("Signature1"), protected, cborBytes([]byte("aad")), cborBytes(payload))
			})},
		{name: "signed-other-header", why: "the signature covers another protected header",
			draft: toSign(func(_, payload []byte) []byte {
				return cborArray(cborText("Signature1"), cborBytes(nil), cborBytes(nil), cborBytes(payload))
			})},
		{name: "payload-of-another", why: "the signature of one document under the payload of another",
			draft: toSign(func(protected, payload []byte) []byte {
				other := bytes.Replace(payload, testNonce, []byte("fedcba9876543210"), 1)
				return cborArray(cborText("Signature1"), protected, cborBytes(nil), cborBytes(other))
			})},
		{name: "leaf-of-another", why: "the certificate of another enclave of the same instance",
			plan:  func(plans []*certPlan) { plans[leaf].key = foreignKey() },
			draft: func(d *draft, _ [][]byte) { d.signer = p384Key("i-0123456789abcdef0-enc0123456789abcdef.test") }},
	}
	for i := range forgeries {
		forgeries[i].reason = "signature.invalid"
	}
	return append(forgeries,
		forgery{name: "leaf-key-p256", why: "the enclave's key is on P-256", reason: "signature.key",
			plan: func(plans []*certPlan) { plans[leaf].key = p256Key("leaf") }},
		forgery{name: "leaf-key-p521", why: "the enclave's key is on P-521", reason: "signature.key",
			plan: func(plans []*certPlan) { plans[leaf].key = p521Key("leaf") }},
		forgery{name: "leaf-key-ed25519", why: "the enclave's key is on Ed25519", reason: "signature.key",
			plan: func(plans []*certPlan) { plans[leaf].key = ed25519Key("leaf") }},
	)
}
