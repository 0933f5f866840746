package attest

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// timeForgeries are documents that are authentic, but at another time, and those with another
// nonce.
func timeForgeries() []forgery {
	const day = 24 * time.Hour
	set := func(name string, value []byte) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) { d.set(name, value) }
	}
	stamp := func(shift time.Duration) func(*draft, [][]byte) {
		return set("timestamp", cborUint(int(signedAt.Add(shift).UnixMilli())))
	}
	return []forgery{
		{name: "stamped-before-leaf", why: "stamped an hour before its certificate", reason: "time.outside_leaf", draft: stamp(-time.Hour - 30*time.Minute)},
		{name: "stamped-after-leaf", why: "stamped an hour after its certificate", reason: "time.outside_leaf", draft: stamp(4 * time.Hour)},
		{name: "stamped-year-292277026", why: "stamped at the last millisecond there is", reason: "time.outside_leaf",
			draft: set("timestamp", []byte{0x1b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})},
		{name: "archived-before-leaf", why: "judged at its own time, which is before its certificate", reason: "time.outside_leaf", atDocumentTime: true, draft: stamp(-90 * time.Minute)},
		{name: "archived-after-leaf", why: "judged at its own time, which is after its certificate", reason: "time.outside_leaf", atDocumentTime: true, draft: stamp(4 * time.Hour)},
		{name: "archived-ca-expired", why: "judged at its own time, when its instance's certificate had expired", reason: "chain.expired", atDocumentTime: true,
			plan: func(plans []*certPlan) { plans[instance].template.NotAfter = signedAt.Add(-time.Minute) }},
		{name: "stamped-ahead", why: "stamped six seconds after the time of verification", reason: "time.future", at: signedAt.Add(-6 * time.Second)},
		{name: "stamped-ahead-strict", why: "stamped a millisecond ahead where the policy allows none", reason: "time.future", at: signedAt.Add(-time.Millisecond), policy: `{"any":true,"future_skew_ms":0}`},
		{name: "too-old", why: "signed two seconds ago where the policy allows one", reason: "time.too_old", policy: `{"any":true,"max_age_ms":1000}`},
		{name: "too-old-fresh", why: "the same with a nonce that matches", reason: "time.too_old", policy: `{"any":true,"max_age_ms":1000}`, nonce: testNonce},
		{name: "expired-three-days", why: "three days late, and nothing says that it is fresh", reason: "chain.expired", at: signedAt.Add(3 * day)},
		{name: "early-three-days", why: "three days early, and nothing says that it is fresh", reason: "chain.not_yet_valid", at: signedAt.Add(-3 * day)},
		{name: "clock-ahead", why: "three days late, but it answers the nonce: the clock is wrong", reason: "time.clock_skew", at: signedAt.Add(3 * day), nonce: testNonce},
		{name: "clock-behind", why: "a day early, but it answers the nonce: the clock is wrong", reason: "time.clock_skew", at: signedAt.Add(-day), nonce: testNonce},
		{name: "clock-behind-6s", why: "six seconds early, and it answers the nonce", reason: "time.clock_skew", at: signedAt.Add(-6 * time.Second), nonce: testNonce},
		{name: "clock-ahead-other-nonce", why: "three days late with another nonce: it may be a replay", reason: "chain.expired", at: signedAt.Add(3 * day), nonce: []byte("fedcba9876543210")},
		{name: "ca-expired-fresh", why: "it answers the nonce, but a certificate had expired when it was signed", reason: "chain.expired", nonce: testNonce,
			plan: func(plans []*certPlan) { plans[instance].template.NotAfter = signedAt.Add(-time.Minute) }},
		{name: "root-expired", why: "judged when the pinned root has expired", reason: "chain.expired", at: signedAt.AddDate(25, 0, 0)},
		{name: "root-not-yet-valid", why: "judged before the pinned root is valid", reason: "chain.not_yet_valid", at: signedAt.AddDate(-7, 0, 0)},

		{name: "nonce-mismatch", why: "another nonce of the same length", reason: "nonce.mismatch", nonce: []byte("fedcba9876543210")},
		{name: "nonce-prefix", why: "the start of the nonce asked for", reason: "nonce.mismatch", nonce: append(slices.Clone(testNonce), 0)},
		{name: "nonce-longer", why: "the nonce asked for and a byte more", reason: "nonce.mismatch", nonce: testNonce[:15]},
		{name: "nonce-null", why: "no nonce where one is asked for", reason: "nonce.missing", nonce: testNonce, draft: set("nonce", cborNull)},
		{name: "nonce-absent", why: "no member nonce where one is asked for", reason: "nonce.missing", nonce: testNonce, draft: func(d *draft, _ [][]byte) { d.drop("nonce") }},
		{name: "nonce-empty", why: "an empty nonce where one is asked for", reason: "nonce.missing", nonce: testNonce, draft: set("nonce", cborBytes(nil))},
	}
}

func cborPCRsWith(index int, value []byte) []byte {
	var items [][]byte
	for i := range 16 {
		pcr := testPCR(i)
		if i == index {
			pcr = value
		}
		if pcr != nil {
			items = append(items, cborUint(i), cborBytes(pcr))
		}
	}
	return cborMap(items...)
}

// policyForgeries are genuine documents of other enclaves than the policy accepts.
func policyForgeries() []forgery {
	pcrs := func(index int, value []byte) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) { d.set("pcrs", cborPCRsWith(index, value)) }
	}
	userData := func(text string) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) { d.set("user_data", cborBytes([]byte(text))) }
	}
	function, key := hex.EncodeToString(testFunction), hex.EncodeToString(testKeyPolicy)
	function64 := base64.StdEncoding.EncodeToString(testFunction)
	other64 := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{9}, 32))
	functionPolicy := fmt.Sprintf(`{"function_checksum":%q}`, function)
	keyPolicy := fmt.Sprintf(`{"key_checksum":%q}`, key)
	other := strings.Repeat("5a", 48)
	pcr := func(i int) string { return hex.EncodeToString(testPCR(i)) }
	zero, all := make([]byte, 48), bytes.Repeat([]byte{0x5a}, 48)

	forgeries := []forgery{
		{name: "debug-pcr0-absent", why: "no PCR0 that could show that debug mode is off", reason: "policy.debug_mode", draft: pcrs(0, nil)},
		{name: "debug-despite-pins", why: "debug mode where another PCR is pinned", reason: "policy.debug_mode", draft: pcrs(0, zero), policy: fmt.Sprintf(`{"pcrs":{"1":%q}}`, pcr(1))},
		{name: "pcr0-differs", why: "another PCR0", reason: "policy.pcr_mismatch", policy: fmt.Sprintf(`{"pcrs":{"0":%q}}`, other)},
		{name: "pcr0-differs-last-bit", why: "PCR0 differs in its last bit", reason: "policy.pcr_mismatch",
			draft: pcrs(0, append(testPCR(0)[:47:47], testPCR(0)[47]^1)), policy: fmt.Sprintf(`{"pcrs":{"0":%q}}`, pcr(0))},
		{name: "pcr0-of-two", why: "PCR0 is neither of two values", reason: "policy.pcr_mismatch", policy: fmt.Sprintf(`{"pcrs":{"0":[%q,%q]}}`, other, pcr(1))},
		{name: "pcr8-differs", why: "PCR0 is as pinned and PCR8 is not", reason: "policy.pcr_mismatch", policy: fmt.Sprintf(`{"pcrs":{"0":%q,"8":%q}}`, pcr(0), other)},
		{name: "pcr0-shorter-pin", why: "the first 32 bytes of PCR0 are pinned", reason: "policy.pcr_mismatch", policy: fmt.Sprintf(`{"pcrs":{"0":%q}}`, pcr(0)[:64])},
		{name: "pcr16-missing", why: "a pinned PCR is not in the document", reason: "policy.pcr_missing", policy: fmt.Sprintf(`{"pcrs":{"0":%q,"16":%q}}`, pcr(0), pcr(5))},
		{name: "release-none", why: "neither of two releases", reason: "policy.pcr_mismatch",
			policy: fmt.Sprintf(`{"releases":[{"name":"1.0","pcrs":{"0":%q}},{"name":"1.1","pcrs":{"0":%q,"1":%q}}]}`, other, other, pcr(1))},
		{name: "release-expired", why: "a release that is accepted no longer", reason: "policy.release_expired",
			policy: fmt.Sprintf(`{"releases":[{"name":"1.0","pcrs":{"0":%q},"not_after":"2026-06-01T12:30:01Z"},{"name":"1.1","pcrs":{"0":%q}}]}`, pcr(0), other)},
		{name: "release-missing-pcr", why: "a release pins a PCR that is not in the document", reason: "policy.pcr_missing",
			policy: fmt.Sprintf(`{"releases":[{"name":"1.0","pcrs":{"20":%q}}]}`, other)},
		{name: "release-and-pcr", why: "a release matches, and a PCR pinned beside does not", reason: "policy.pcr_mismatch",
			policy: fmt.Sprintf(`{"pcrs":{"1":%q},"releases":[{"name":"1.0","pcrs":{"0":%q}}]}`, other, pcr(0))},

		{name: "function-other", why: "another function", reason: "policy.function_checksum", policy: fmt.Sprintf(`{"function_checksum":%q}`, strings.Repeat("09", 32))},
		{name: "function-short", why: "the first 31 bytes of the checksum", reason: "policy.function_checksum",
			draft: userData(fmt.Sprintf(`{"func_checksum":%q}`, base64.StdEncoding.EncodeToString(testFunction[:31]))), policy: functionPolicy},
		{name: "function-absent", why: "user_data without a checksum", reason: "policy.function_checksum_missing", draft: userData(`{"key":"AA=="}`), policy: functionPolicy},
		{name: "function-null", why: "a checksum that is null", reason: "policy.function_checksum_missing", draft: userData(`{"func_checksum":null}`), policy: functionPolicy},
		{name: "function-other-case", why: "the name of the checksum in capitals", reason: "policy.function_checksum_missing",
			draft: userData(fmt.Sprintf(`{"FUNC_CHECKSUM":%q}`, function64)), policy: functionPolicy},
		{name: "function-no-user-data", why: "user_data null", reason: "policy.function_checksum_missing", policy: functionPolicy,
			draft: func(d *draft, _ [][]byte) { d.set("user_data", cborNull) }},
		{name: "function-nested", why: "the checksum one level further down", reason: "policy.function_checksum_missing",
			draft: userData(fmt.Sprintf(`{"run":{"func_checksum":%q}}`, function64)), policy: functionPolicy},
		{name: "key-other", why: "another key policy", reason: "policy.key_checksum", policy: fmt.Sprintf(`{"key_checksum":%q}`, strings.Repeat("09", 32))},
		{name: "key-absent", why: "user_data without the key policy's checksum", reason: "policy.key_checksum_missing",
			draft: userData(fmt.Sprintf(`{"func_checksum":%q}`, function64)), policy: keyPolicy},

		{name: "user-data-no-json", why: "user_data is no JSON", reason: "document.user_data_json", draft: userData("\x01\x02\x03"), policy: functionPolicy},
		{name: "user-data-array", why: "user_data is a JSON array", reason: "document.user_data_json", draft: userData(fmt.Sprintf(`[%q]`, function64)), policy: functionPolicy},
		{name: "user-data-null-json", why: "user_data is the JSON null", reason: "document.user_data_json", draft: userData("null"), policy: functionPolicy},
		{name: "user-data-name-twice", why: "two checksums of one name", reason: "document.user_data_json",
			draft: userData(fmt.Sprintf(`{"func_checksum":%q,"func_checksum":%q}`, other64, function64)), policy: functionPolicy},
		{name: "user-data-name-escaped", why: "the same, one name with an escape", reason: "document.user_data_json",
			draft: userData(fmt.Sprintf(`{"func_checksum":%q,"func\u005fchecksum":%q}`, other64, function64)), policy: functionPolicy},
		{name: "user-data-nested-twice", why: "a name twice in an object that is not read", reason: "document.user_data_json",
			draft: userData(fmt.Sprintf(`{"func_checksum":%q,"more":{"a":1,"a":2}}`, function64)), policy: functionPolicy},
		{name: "user-data-trailing", why: "a second object after the first", reason: "document.user_data_json",
			draft: userData(fmt.Sprintf(`{"func_checksum":%q}{}`, function64)), policy: functionPolicy},
		{name: "user-data-not-utf8", why: "user_data is not UTF-8", reason: "document.user_data_json",
			draft: userData(fmt.Sprintf("{\"func_checksum\":%q,\"x\":\"\xff\"}", function64)), policy: functionPolicy},
		{name: "user-data-bom", why: "a byte order mark before the object", reason: "document.user_data_json",
			draft: userData("\ufeff" + fmt.Sprintf(`{"func_checksum":%q}`, function64)), policy: functionPolicy},
		{name: "user-data-deep", why: "an object nested forty levels", reason: "document.user_data_json",
			draft: userData(fmt.Sprintf(`{"func_checksum":%q,"x":%s%s}`, function64, strings.Repeat("[", 40), strings.Repeat("]", 40))), policy: functionPolicy},
		{name: "user-data-names-disagree", why: "old and new name with two checksums", reason: "document.user_data_conflict",
			draft: userData(fmt.Sprintf(`{"func_checksum":%q,"func_hash":%q}`, function64, other64)), policy: functionPolicy},
		{name: "user-data-hex", why: "the checksum as hex", reason: "policy.function_checksum",
			draft: userData(fmt.Sprintf(`{"func_checksum":%q}`, function)), policy: functionPolicy},
		{name: "user-data-number", why: "the checksum as a number", reason: "document.user_data_base64", draft: userData(`{"func_checksum":1}`), policy: functionPolicy},
		{name: "user-data-empty-checksum", why: "an empty checksum", reason: "document.user_data_base64", draft: userData(`{"func_checksum":""}`), policy: functionPolicy},
		{name: "user-data-unpadded", why: "base64 without its padding", reason: "document.user_data_base64",
			draft: userData(fmt.Sprintf(`{"func_checksum":%q}`, strings.TrimRight(function64, "="))), policy: functionPolicy},
		{name: "user-data-line-break", why: "base64 with a line break", reason: "document.user_data_base64",
			draft: userData(fmt.Sprintf(`{"func_checksum":%q}`, function64[:20]+"\n"+function64[20:])), policy: functionPolicy},
		{name: "user-data-loose-bits", why: "base64 whose last letter has bits that do not count", reason: "document.user_data_base64",
			draft: userData(fmt.Sprintf(`{"func_checksum":%q}`, function64[:42]+string(function64[42]+1)+"=")), policy: functionPolicy},
	}
	for i := range 3 {
		forgeries = append(forgeries, forgery{name: fmt.Sprintf("debug-pcr%d", i), why: fmt.Sprintf("PCR%d is zero", i),
			reason: "policy.debug_mode", draft: pcrs(i, zero)})
	}
	for i := range 5 {
		forgeries = append(forgeries, forgery{name: fmt.Sprintf("pcr%d-changed", i), why: fmt.Sprintf("PCR%d is another than the pinned one", i),
			reason: "policy.pcr_mismatch", draft: pcrs(i, all),
			policy: fmt.Sprintf(`{"pcrs":{"0":%q,"1":%q,"2":%q,"3":%q,"4":%q}}`, pcr(0), pcr(1), pcr(2), pcr(3), pcr(4))})
	}
	return forgeries
}

// controls are documents that differ from AWS's usual ones and are nevertheless good.
func controls() []forgery {
	set := func(name string, value []byte) func(*draft, [][]byte) {
		return func(d *draft, _ [][]byte) { d.set(name, value) }
	}
	pcr := func(i int) string { return hex.EncodeToString(testPCR(i)) }
	var chunkless [][]byte
	for i := range 16 {
		chunkless = append(chunkless, cborUint(i), cborBytes(testPCR(i)))
	}
	return []forgery{
		{name: "good", why: "nothing is wrong", nonce: testNonce, keyLength: 32,
			policy: fmt.Sprintf(`{"pcrs":{"0":[%q,%q],"1":%q},"function_checksum":%q,"key_checksum":%q,"max_age_ms":60000}`,
				strings.Repeat("00", 48), pcr(0), strings.ToUpper(pcr(1)), hex.EncodeToString(testFunction), hex.EncodeToString(testKeyPolicy))},
		{name: "good-tag-18", why: "tagged as COSE_Sign1", draft: func(d *draft, _ [][]byte) { d.tag = []byte{0xd2} }},
		{name: "good-indefinite", why: "payload map, pcrs and cabundle of indefinite length", draft: func(d *draft, chain [][]byte) {
			var cas [][]byte
			for _, der := range chain[:leaf] {
				cas = append(cas, cborBytes(der))
			}
			d.set("cabundle", cborIndefinite(majorArray, cas...))
			d.set("pcrs", cborIndefinite(majorMap, chunkless...))
			d.payload = cborIndefinite(majorMap, d.items()...)
		}},
		{name: "good-other-order", why: "the members in another order", draft: func(d *draft, _ [][]byte) { slices.Reverse(d.members) }},
		{name: "good-high-s", why: "n-s in place of s, which AWS signs too", draft: func(d *draft, _ [][]byte) {
			d.signature = func(raw []byte) []byte { return cborBytes(negateS(raw)) }
		}},
		{name: "good-unknown-member", why: "a member that is not known yet", draft: set("later", cborMap(cborText("a"), cborArray(cborUint(1), cborNull, []byte{0xf5})))},
		{name: "good-no-options", why: "public_key, user_data and nonce absent", draft: func(d *draft, _ [][]byte) {
			d.drop("public_key")
			d.drop("user_data")
			d.drop("nonce")
		}},
		{name: "good-null-options", why: "public_key, user_data and nonce null", draft: func(d *draft, _ [][]byte) {
			d.set("public_key", cborNull)
			d.set("user_data", cborNull)
			d.set("nonce", cborNull)
		}},
		{name: "good-empty-options", why: "public_key, user_data and nonce empty", draft: func(d *draft, _ [][]byte) {
			d.set("public_key", cborBytes(nil))
			d.set("user_data", cborBytes(nil))
			d.set("nonce", cborBytes(nil))
		}},
		{name: "good-largest-options", why: "public_key, user_data and nonce of 1024 bytes", nonce: make([]byte, 1024), keyLength: 1024, draft: func(d *draft, _ [][]byte) {
			d.set("public_key", cborBytes(make([]byte, 1024)))
			d.set("user_data", cborBytes(make([]byte, 1024)))
			d.set("nonce", cborBytes(make([]byte, 1024)))
		}},
		{name: "good-32-pcrs", why: "32 PCRs", draft: set("pcrs", cborPCRs(32))},
		{name: "good-pcr-sizes", why: "PCRs of 32 and 64 bytes", draft: func(d *draft, _ [][]byte) {
			d.set("pcrs", cborMap(cborUint(0), cborBytes(bytes.Repeat([]byte{1}, 32)), cborUint(1), cborBytes(bytes.Repeat([]byte{2}, 64)), cborUint(2), cborBytes(testPCR(2))))
		}},
		{name: "good-root-issues-leaf", why: "a cabundle of the root alone, which issued the leaf",
			plan: func(plans []*certPlan) {
				plans[leaf].issuer, plans[leaf].issuerKey = &plans[root].template, plans[root].key
			},
			bundle: func(ders [][]byte) [][]byte { return slices.Delete(ders, regional, leaf) }},
		{name: "good-other-extension", why: "an extension of the leaf that nobody knows and that is not critical",
			plan: func(plans []*certPlan) {
				plans[leaf].template.ExtraExtensions = append(plans[leaf].template.ExtraExtensions, extension(false, []byte{5, 0}, 1, 3, 6, 1, 4, 1, 99999, 1))
			}},
		{name: "good-no-basic-constraints", why: "a leaf without basic constraints, as it is no CA",
			plan: func(plans []*certPlan) { plans[leaf].template.BasicConstraintsValid = false }},
		{name: "good-digital-signature-alone", why: "a leaf whose key usage is digitalSignature alone",
			plan: func(plans []*certPlan) { plans[leaf].template.KeyUsage = x509.KeyUsageDigitalSignature }},
		{name: "good-last-second", why: "judged in the last second of its certificate", at: signedAt.Truncate(time.Hour).Add(3 * time.Hour)},
		{name: "good-first-second", why: "stamped and judged in the first second of its certificate", at: signedAt.Truncate(time.Hour),
			draft: set("timestamp", cborUint(int(signedAt.Truncate(time.Hour).UnixMilli())))},
		{name: "good-slightly-ahead", why: "stamped five seconds ahead, which a policy allows unless it says less", at: signedAt.Add(-5 * time.Second)},
		{name: "good-archived", why: "judged at its own time", atDocumentTime: true, nonce: testNonce, policy: `{"any":true,"max_age_ms":1,"future_skew_ms":0}`},
		{name: "good-release", why: "the second of two releases", policy: fmt.Sprintf(`{"releases":[{"name":"1.0","pcrs":{"0":%q}},{"name":"1.1","pcrs":{"0":%q},"not_after":"2026-06-01T12:30:03Z"}]}`, pcr(1), pcr(0))},
		{name: "good-debug-allowed", why: "debug mode, which the policy allows", draft: set("pcrs", cborPCRsWith(0, make([]byte, 48))), policy: `{"any":true,"allow_debug":true}`},
		{name: "good-old-name", why: "a function's checksum under its old name alone",
			draft:  set("user_data", cborBytes(fmt.Appendf(nil, ` {"func_hash":%q,"key":null} `, base64.StdEncoding.EncodeToString(testFunction)))),
			policy: fmt.Sprintf(`{"function_checksum":%q}`, hex.EncodeToString(testFunction))},
		{name: "good-other-user-data", why: "user_data of another kind, which nothing asks for", draft: set("user_data", cborBytes([]byte{1, 2, 3}))},
	}
}
