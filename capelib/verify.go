package capelib

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/libcape/libcape/core/attest"
)

// VerifyOptions says what to hold an attestation document against.
type VerifyOptions struct {
	// Policy says which enclaves are accepted. Required.
	Policy *Policy
	// AttestationRoots, PEM, are trusted in place of the embedded AWS Nitro root. nil is that
	// root; what is empty but not nil is refused.
	AttestationRoots []byte
	// Nonce is what the document has to carry; nil: it is not checked, and the document may be
	// an old one.
	Nonce []byte
	// PublicKeyLength, if not 0, is how many bytes the document's public key must have; 32 is
	// what Connect asks for.
	PublicKeyLength int
	// Time is when to judge validity; zero is now.
	Time time.Time
	// AtDocumentTime judges an archived document at the time that it was signed. It says nothing
	// about who answers now.
	AtDocumentTime bool
}

// ParseVerifyOptions reads the options of cape_verify in JSON; cape.h lists the names. Unknown
// and duplicate names are refused.
func ParseVerifyOptions(options []byte) (VerifyOptions, error) {
	var parsed struct {
		Policy           json.RawMessage `json:"policy"`
		AttestationRoots *string         `json:"attestation_roots"`
		Nonce            *string         `json:"nonce"`
		PublicKeyLength  uint16          `json:"public_key_length"`
		Time             *string         `json:"time"`
		AtDocumentTime   bool            `json:"at_document_time"`
	}
	if err := DecodeJSON(options, &parsed); err != nil {
		return VerifyOptions{}, err
	}
	o := VerifyOptions{
		AttestationRoots: given(parsed.AttestationRoots), AtDocumentTime: parsed.AtDocumentTime,
		PublicKeyLength: int(parsed.PublicKeyLength),
	}
	var err error
	if o.Policy, err = parseOptionalPolicy(parsed.Policy); err != nil {
		return VerifyOptions{}, err
	}
	if parsed.Nonce != nil {
		if o.Nonce, err = hex.DecodeString(*parsed.Nonce); err != nil {
			return VerifyOptions{}, NewError("argument.options", "the nonce is not hexadecimal: give two digits for each byte")
		}
	}
	if parsed.Time != nil {
		if o.Time, err = time.Parse(time.RFC3339, *parsed.Time); err != nil || o.Time.IsZero() {
			return VerifyOptions{}, NewError("argument.options", "the time is not of RFC 3339: write it as 2026-01-31T12:00:00Z")
		}
	}
	return o, nil
}

// parseOptionalPolicy reads a policy inside options. An absent one is nil, and a null one too:
// where it counts, nil is refused.
func parseOptionalPolicy(raw json.RawMessage) (*Policy, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	return ParsePolicy(raw)
}

// Verify verifies an attestation document, raw CBOR, as Connect does, but one that the caller
// has. The report is nil only when the options are not usable ([CodeArgument]). A document that
// is refused is an [*Error] of code [CodeAttestation] or [CodePolicy] with the report in it.
func Verify(document []byte, o VerifyOptions) (*Report, error) {
	var roots [][]byte
	if o.AttestationRoots != nil {
		var err error
		if roots, err = attest.ParseRoots(o.AttestationRoots); err != nil {
			return nil, AsError(err)
		}
	}
	defer countVerification(time.Now())
	_, report, err := verifier.Verify(document, attest.Options{
		Roots: roots, Time: o.Time, AtDocumentTime: o.AtDocumentTime, Nonce: o.Nonce,
		PublicKeyLength: o.PublicKeyLength, Policy: o.Policy,
	})
	if err == nil {
		return report, nil
	}
	failure := AsError(err)
	if failure.Code == CodeArgument {
		return nil, failure
	}
	failure.Report = report
	return report, failure
}
