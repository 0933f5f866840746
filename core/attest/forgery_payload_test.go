package attest

import (
	"bytes"
	"slices"
)

// payloadForgeries are documents whose payload, though signed, is not CBOR that a security module
// makes.
func payloadForgeries() []forgery {
	payload := func(build func(d *draft) []byte) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) { d.payload = build(d) }
	}
	extra := func(key, value []byte) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) { d.members = append(d.members, member{key, value}) }
	}
	set := func(name string, value []byte) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) { d.set(name, value) }
	}
	deep := slices.Concat(bytes.Repeat([]byte{0x81}, 12), []byte{0})
	wide := cborArray(slices.Repeat([][]byte{{0}}, 65)...)
	var wideMap [][]byte
	for i := range 65 {
		wideMap = append(wideMap, cborUint(i), cborUint(i))
	}
	return []forgery{
		{name: "payload-empty", why: "a payload of no bytes", reason: "cbor.truncated", draft: payload(func(*draft) []byte { return []byte{} })},
		{name: "payload-no-map", why: "the payload is an array", reason: "document.structure", draft: payload(func(d *draft) []byte { return cborArray(d.items()...) })},
		{name: "payload-empty-map", why: "the payload is an empty map", reason: "document.missing_field", draft: payload(func(*draft) []byte { return []byte{0xa0} })},
		{name: "payload-cut", why: "the payload's map lacks its last value", reason: "cbor.truncated",
			draft: payload(func(d *draft) []byte { p := cborMap(d.items()...); return p[:len(p)-17] })},
		{name: "payload-trailing", why: "signed bytes after the payload's map", reason: "cbor.trailing",
			draft: payload(func(d *draft) []byte { return append(cborMap(d.items()...), 0) })},
		{name: "payload-no-break", why: "a map of indefinite length without its end", reason: "cbor.truncated",
			draft: payload(func(d *draft) []byte { return append([]byte{0xbf}, bytes.Join(d.items(), nil)...) })},
		{name: "payload-reserved-head", why: "additional information 29 inside of the payload", reason: "cbor.malformed", draft: extra(cborText("x"), []byte{0x1d})},
		{name: "payload-stray-break", why: "a break where a value should be", reason: "cbor.malformed", draft: extra(cborText("x"), []byte{0xff})},
		{name: "payload-tagged", why: "the payload's map is tagged", reason: "cbor.tag",
			draft: payload(func(d *draft) []byte { return append([]byte{0xd9, 0xd9, 0xf7}, cborMap(d.items()...)...) })},
		{name: "timestamp-tagged", why: "the timestamp is tagged as a time", reason: "cbor.tag", draft: set("timestamp", append([]byte{0xc1}, cborUint(1780317000)...))},
		{name: "user-data-tagged", why: "user_data is tagged as embedded CBOR", reason: "cbor.tag", draft: set("user_data", append([]byte{0xd8, 24}, cborBytes([]byte{0xa0})...))},
		{name: "unknown-tagged", why: "a tag within an unknown member", reason: "cbor.tag", draft: extra(cborText("x"), cborArray([]byte{0xc0, 0x60}))},
		{name: "timestamp-bignum", why: "the timestamp as a bignum", reason: "cbor.tag", draft: set("timestamp", append([]byte{0xc2}, cborBytes([]byte{1, 0, 0})...))},

		{name: "pcrs-twice", why: "two members pcrs, of which one would decide", reason: "cbor.duplicate_key", draft: extra(cborText("pcrs"), cborPCRs(4))},
		{name: "module-id-twice", why: "two equal members module_id", reason: "cbor.duplicate_key", draft: extra(cborText("module_id"), cborText(testModule))},
		{name: "nonce-twice", why: "two members nonce", reason: "cbor.duplicate_key", draft: extra(cborText("nonce"), cborBytes([]byte("another")))},
		{name: "unknown-twice", why: "two unknown members of one name", reason: "cbor.duplicate_key",
			draft: func(d *draft, _ [][]byte) {
				d.members = append(d.members, member{cborText("x"), cborNull}, member{cborText("x"), cborNull})
			}},
		{name: "pcr0-twice", why: "PCR0 twice", reason: "cbor.duplicate_key",
			draft: set("pcrs", cborMap(cborUint(0), cborBytes(testPCR(0)), cborUint(0), cborBytes(testPCR(1))))},
		{name: "pcr0-twice-long", why: "PCR0 twice, one of them as a longer zero", reason: "cbor.duplicate_key",
			draft: set("pcrs", cborMap(cborUint(0), cborBytes(testPCR(0)), []byte{0x18, 0}, cborBytes(testPCR(1))))},
		{name: "name-twice-long", why: "pcrs twice, one of them with a longer length", reason: "cbor.duplicate_key",
			draft: extra(append([]byte{0x78, 4}, "pcrs"...), cborPCRs(4))},
		{name: "nested-twice", why: "a key twice within an unknown member", reason: "cbor.duplicate_key",
			draft: extra(cborText("x"), cborArray(cborMap(cborText("a"), cborNull, cborText("a"), cborNull)))},

		{name: "key-chunked", why: "the name of a member in chunks", reason: "cbor.chunked", draft: extra(cborIndefinite(majorText, cborText("ab"), cborText("cd")), cborNull)},
		{name: "module-id-chunked", why: "module_id in chunks", reason: "cbor.chunked", draft: set("module_id", cborIndefinite(majorText, cborText("i-01"), cborText("-enc01")))},
		{name: "nonce-chunked", why: "the nonce in chunks", reason: "cbor.chunked", draft: set("nonce", cborIndefinite(majorBytes, cborBytes(testNonce)))},
		{name: "pcr-chunked", why: "PCR0 in chunks", reason: "cbor.chunked",
			draft: set("pcrs", cborMap(cborUint(0), cborIndefinite(majorBytes, cborBytes(testPCR(0)[:20]), cborBytes(testPCR(0)[20:]))))},
		{name: "certificate-chunked", why: "the certificate in chunks", reason: "cbor.chunked",
			draft: func(d *draft, chain [][]byte) {
				d.set("certificate", cborIndefinite(majorBytes, cborBytes(chain[leaf][:9]), cborBytes(chain[leaf][9:])))
			}},
		{name: "unknown-chunked", why: "an empty string in no chunks within an unknown member", reason: "cbor.chunked", draft: extra(cborText("x"), cborArray([]byte{0x5f, 0xff}))},

		{name: "unknown-deep", why: "an unknown member nested twelve levels", reason: "cbor.depth", draft: extra(cborText("x"), deep)},
		{name: "unknown-wide", why: "an unknown array of 65 entries", reason: "cbor.count", draft: extra(cborText("x"), wide)},
		{name: "unknown-wide-map", why: "an unknown map of 65 entries", reason: "cbor.count", draft: extra(cborText("x"), cborMap(wideMap...))},
		{name: "unknown-huge-array", why: "an unknown array said to be of 2^32 entries", reason: "cbor.count", draft: extra(cborText("x"), []byte{0x9a, 0xff, 0xff, 0xff, 0xff})},
		{name: "unknown-huge-map", why: "an unknown map said to be of 2^32 entries", reason: "cbor.count", draft: extra(cborText("x"), []byte{0xba, 0xff, 0xff, 0xff, 0xff})},
		{name: "unknown-huge-string", why: "an unknown string said to be of 2^63 bytes", reason: "cbor.truncated", draft: extra(cborText("x"), []byte{0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})},
		{name: "module-id-not-utf8", why: "module_id is not UTF-8", reason: "cbor.malformed", draft: set("module_id", cborText("i-\xff\xfe"))},
		{name: "nonce-undefined", why: "the nonce is undefined and not null", reason: "cbor.malformed", draft: set("nonce", []byte{0xf7})},
		{name: "key-integer", why: "the name of a member is an integer", reason: "document.structure", draft: extra(cborUint(1), cborNull)},
		{name: "key-null", why: "the name of a member is null", reason: "document.structure", draft: extra(cborNull, cborNull)},
		{name: "key-bytes", why: "the name of a member is a byte string", reason: "document.structure", draft: extra(cborBytes([]byte("pcrs")), cborPCRs(4))},
		{name: "key-array", why: "the name of a member is an array", reason: "cbor.malformed", draft: extra(cborArray(), cborNull)},
	}
}

// fieldForgeries are documents, correctly signed, with a member that AWS's specification rules
// out.
func fieldForgeries() []forgery {
	set := func(name string, value []byte) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) { d.set(name, value) }
	}
	integers := cborArray(slices.Repeat([][]byte{{1}}, 48)...) // some decoders take these for bytes
	pcr := func(key, value []byte) func(*draft, [][]byte) {
		return set("pcrs", cborMap(cborUint(1), cborBytes(testPCR(1)), key, value))
	}
	pcr0 := cborBytes(testPCR(0))
	var pcrs33 [][]byte
	for i := range 33 {
		pcrs33 = append(pcrs33, cborUint(i), pcr0)
	}
	bundle := func(build func(cas [][]byte) []byte) func(*draft, [][]byte) {
		return func(d *draft, chain [][]byte) { d.set("cabundle", build(chain[:leaf])) }
	}
	forgeries := []forgery{
		{name: "nitrotpm", why: "a document of an instance, with nitrotpm_pcrs for pcrs", reason: "document.nitrotpm",
			draft: func(d *draft, _ [][]byte) { d.drop("pcrs"); d.set("nitrotpm_pcrs", cborPCRs(16)) }},
		{name: "nitrotpm-null-pcrs", why: "the same with pcrs null", reason: "document.nitrotpm",
			draft: func(d *draft, _ [][]byte) { d.set("pcrs", cborNull); d.set("nitrotpm_pcrs", cborPCRs(16)) }},
		{name: "module-id-bytes", why: "module_id is a byte string", reason: "document.module_id", draft: set("module_id", cborBytes([]byte(testModule)))},
		{name: "module-id-empty", why: "module_id is empty", reason: "document.module_id", draft: set("module_id", cborText(""))},
		{name: "digest-sha256", why: "digest SHA256", reason: "document.digest", draft: set("digest", cborText("SHA256"))},
		{name: "digest-lower-case", why: "digest sha384", reason: "document.digest", draft: set("digest", cborText("sha384"))},
		{name: "digest-bytes", why: "digest as a byte string", reason: "document.digest", draft: set("digest", cborBytes([]byte("SHA384")))},
		{name: "timestamp-zero", why: "timestamp 0", reason: "document.timestamp", draft: set("timestamp", cborUint(0))},
		{name: "timestamp-negative", why: "a negative timestamp", reason: "document.timestamp", draft: set("timestamp", cborHead(majorNegative, int(signedAt.UnixMilli())))},
		{name: "timestamp-2-63", why: "timestamp 2^63", reason: "document.timestamp", draft: set("timestamp", []byte{0x1b, 0x80, 0, 0, 0, 0, 0, 0, 0})},
		{name: "timestamp-float", why: "the timestamp as a float", reason: "document.timestamp", draft: set("timestamp", []byte{0xfb, 0x42, 0x79, 0xe8, 0, 0, 0, 0, 0})},
		{name: "timestamp-text", why: "the timestamp as text", reason: "document.timestamp", draft: set("timestamp", cborText("2026-06-01T12:30:00Z"))},

		{name: "pcrs-empty", why: "no PCR", reason: "document.pcrs", draft: set("pcrs", cborMap())},
		{name: "pcrs-33", why: "33 PCRs", reason: "document.pcrs", draft: set("pcrs", cborMap(pcrs33...))},
		{name: "pcrs-array", why: "the PCRs as an array", reason: "document.pcrs", draft: set("pcrs", cborArray(pcr0))},
		{name: "pcr-index-32", why: "PCR32", reason: "document.pcrs", draft: pcr(cborUint(32), pcr0)},
		{name: "pcr-index-text", why: "an index as text", reason: "document.pcrs", draft: pcr(cborText("0"), pcr0)},
		{name: "pcr-index-negative", why: "a negative index", reason: "document.pcrs", draft: pcr([]byte{0x20}, pcr0)},
		{name: "pcr-index-float", why: "an index as a float", reason: "document.pcrs", draft: pcr([]byte{0xf9, 0, 0}, pcr0)},
		{name: "pcr-index-null", why: "an index that is null", reason: "document.pcrs", draft: pcr(cborNull, pcr0)},
		{name: "pcr-index-false", why: "an index that is false", reason: "document.pcrs", draft: pcr([]byte{0xf4}, pcr0)},
		{name: "pcr-index-2-64", why: "index 2^64-1", reason: "document.pcrs", draft: pcr([]byte{0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, pcr0)},
		{name: "pcr-empty", why: "PCR0 of no bytes", reason: "document.pcrs", draft: pcr(cborUint(0), cborBytes(nil))},
		{name: "pcr-47", why: "PCR0 of 47 bytes", reason: "document.pcrs", draft: pcr(cborUint(0), cborBytes(testPCR(0)[:47]))},
		{name: "pcr-text", why: "PCR0 as hex text", reason: "document.pcrs", draft: pcr(cborUint(0), cborText("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"))},
		{name: "pcr-null", why: "PCR0 null", reason: "document.pcrs", draft: pcr(cborUint(0), cborNull)},
		{name: "pcr-integers", why: "PCR0 as an array of integers", reason: "document.pcrs", draft: pcr(cborUint(0), integers)},

		{name: "certificate-empty", why: "a certificate of no bytes", reason: "document.certificate", draft: set("certificate", cborBytes(nil))},
		{name: "certificate-1025", why: "a certificate of 1025 bytes", reason: "document.certificate", draft: set("certificate", cborBytes(make([]byte, 1025)))},
		{name: "certificate-text", why: "the certificate as text", reason: "document.certificate", draft: set("certificate", cborText("-----BEGIN CERTIFICATE-----"))},
		{name: "certificate-array", why: "the certificate in an array", reason: "document.certificate", draft: func(d *draft, chain [][]byte) { d.set("certificate", cborBundle(chain[leaf:])) }},
		{name: "certificate-garbage", why: "the certificate is no DER", reason: "document.certificate", draft: set("certificate", cborBytes(make([]byte, 500)))},
		{name: "certificate-trailing", why: "a byte after the certificate's DER", reason: "document.certificate",
			draft: func(d *draft, chain [][]byte) { d.set("certificate", cborBytes(append(slices.Clone(chain[leaf]), 0))) }},
		{name: "cabundle-empty", why: "an empty cabundle", reason: "document.cabundle", draft: set("cabundle", cborArray())},
		{name: "cabundle-9", why: "nine certificates", reason: "document.cabundle",
			draft: bundle(func(cas [][]byte) []byte { return cborBundle(slices.Repeat(cas[:1], 9)) })},
		{name: "cabundle-bytes", why: "the cabundle as one byte string", reason: "document.cabundle",
			draft: bundle(func(cas [][]byte) []byte { return cborBytes(cas[0]) })},
		{name: "cabundle-map", why: "the cabundle as a map", reason: "document.cabundle",
			draft: bundle(func(cas [][]byte) []byte { return cborMap(cborUint(0), cborBytes(cas[0])) })},
		{name: "cabundle-entry-empty", why: "an entry of no bytes", reason: "document.cabundle",
			draft: bundle(func(cas [][]byte) []byte { return cborBundle(append(slices.Clone(cas), nil)) })},
		{name: "cabundle-entry-null", why: "an entry that is null", reason: "document.cabundle",
			draft: bundle(func(cas [][]byte) []byte { return cborArray(cborBytes(cas[0]), cborNull) })},
		{name: "cabundle-entry-text", why: "an entry that is text", reason: "document.cabundle",
			draft: bundle(func(cas [][]byte) []byte { return cborArray(cborBytes(cas[0]), cborText("ca")) })},
		{name: "cabundle-entry-1025", why: "an entry of 1025 bytes", reason: "document.cabundle",
			draft: bundle(func(cas [][]byte) []byte { return cborArray(cborBytes(cas[0]), cborBytes(make([]byte, 1025))) })},

		{name: "public-key-1025", why: "public_key of 1025 bytes", reason: "document.public_key", draft: set("public_key", cborBytes(make([]byte, 1025)))},
		{name: "public-key-text", why: "public_key as text", reason: "document.public_key", draft: set("public_key", cborText("key"))},
		{name: "public-key-integers", why: "public_key as an array of integers", reason: "document.public_key", draft: set("public_key", integers)},
		{name: "public-key-absent", why: "no public_key where one is asked for", reason: "document.public_key_missing", keyLength: 32,
			draft: func(d *draft, _ [][]byte) { d.drop("public_key") }},
		{name: "public-key-null", why: "public_key null where one is asked for", reason: "document.public_key_missing", keyLength: 32, draft: set("public_key", cborNull)},
		{name: "public-key-short", why: "public_key of 31 bytes where 32 are asked for", reason: "document.public_key_length", keyLength: 32,
			draft: set("public_key", cborBytes(testPublicKey[:31]))},
		{name: "public-key-empty", why: "an empty public_key where 32 bytes are asked for", reason: "document.public_key_length", keyLength: 32, draft: set("public_key", cborBytes(nil))},
		{name: "user-data-1025", why: "user_data of 1025 bytes", reason: "document.user_data", draft: set("user_data", cborBytes(make([]byte, 1025)))},
		{name: "user-data-text", why: "user_data as text", reason: "document.user_data", draft: set("user_data", cborText("{}"))},
		{name: "user-data-map", why: "user_data as a CBOR map", reason: "document.user_data", draft: set("user_data", cborMap())},
		{name: "nonce-1025", why: "a nonce of 1025 bytes", reason: "document.nonce", draft: set("nonce", cborBytes(make([]byte, 1025)))},
		{name: "nonce-text", why: "the nonce as text", reason: "document.nonce", draft: set("nonce", cborText("nonce"))},
		{name: "nonce-integer", why: "the nonce as an integer", reason: "document.nonce", draft: set("nonce", cborUint(7))},
		{name: "nonce-false", why: "the nonce is false", reason: "document.nonce", draft: set("nonce", []byte{0xf4})},
	}
	for _, name := range []string{"module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"} {
		file := string(bytes.ReplaceAll([]byte(name), []byte("_"), []byte("-")))
		forgeries = append(forgeries,
			forgery{name: file + "-absent", why: name + " is absent", reason: "document.missing_field",
				draft: func(d *draft, _ [][]byte) { d.drop(name) }},
			forgery{name: file + "-null", why: name + " is null", reason: "document.missing_field", draft: set(name, cborNull)})
	}
	return forgeries
}
