// Package capelib calls functions that run inside a trusted execution environment, and knows
// which code answered.
//
// Connect dials an enclave, verifies its AWS Nitro attestation document against a policy, and
// opens a session with one function. Invoke seals an input to the key that the document
// proved, so that only the enclave can read it:
//
//	conn, err := capelib.Connect(ctx, capelib.Options{
//		URL:      "wss://enclave.example.com",
//		Function: "user/name",
//		Policy:   &capelib.Policy{PCRs: map[int][][]byte{0: {pcr0}}},
//	})
//	if err != nil {
//		return err
//	}
//	defer conn.Close()
//	output, err := conn.Invoke(ctx, input)
//
// Every error of this package is an [*Error] with a stable code and reason. A Conn is safe for
// concurrent use. Results are protected on the way by TLS alone: protocol v1 does not encrypt or
// sign them for the caller.
package capelib

import (
	"github.com/libcape/libcape/core/attest"
)

// Policy says which enclaves are accepted; see the attest package.
type Policy = attest.Policy

// Report tells what a verification examined and found; see the attest package.
type Report = attest.Report

// verifier keeps the certificates of earlier verifications, which saves most of the next one's
// time. It is bounded, and safe for concurrent use.
var verifier attest.Verifier

// ParsePolicy reads a policy in JSON: the text "any", or an object such as
// {"pcrs": {"0": ["<hex>"]}}. The names are those of "policy" in cape.h.
func ParsePolicy(policy []byte) (*Policy, error) {
	parsed, err := attest.ParsePolicy(policy)
	if err != nil {
		return nil, AsError(err)
	}
	return parsed, nil
}
