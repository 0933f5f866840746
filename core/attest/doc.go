// Package attest verifies AWS Nitro Enclaves attestation documents: who signed one, when, over
// which measurements, and whether a policy accepts that.
//
// Start here: parse a policy, ask the enclave for a document with a fresh random nonce, verify.
//
//	policy, err := attest.ParsePolicy([]byte(`{"pcrs": {"0": ["<96 hex digits>"]}}`))
//	...
//	var verifier attest.Verifier // keep one: it remembers verified CA certificates
//	document, report, err := verifier.Verify(raw, attest.Options{Nonce: nonce, Policy: policy})
//
// Verification is six steps, always in this order, and ends at the first that fails:
//
//	parse      the bytes are one COSE_Sign1 (RFC 9052 section 4.2) over one document (AWS
//	           nsm-api, docs/attestation_process.md section 3.1)
//	signature  the document's certificate signed it with ES384
//	chain      that certificate descends from a pinned root, and all are valid at the time
//	time       the signed timestamp fits the certificate, the clock and the policy's max age
//	nonce      the document answers this very request
//	policy     measurements, checksums and debug mode are what the caller accepts
//
// The first five prove authenticity, the last decides acceptance. Nothing of a refused document
// is returned. The [Report] says how far a document came; of its content it names PCRs and
// timestamp once signature and chain hold, the rest when it is accepted.
//
// The package reads no environment, logs nothing and downloads nothing.
package attest
