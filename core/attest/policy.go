package attest

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

// DefaultFutureSkew is how far ahead of the verifier's clock a document may be stamped where the
// policy does not say.
const DefaultFutureSkew = 5 * time.Second

// maxPCR is the highest index of a platform configuration register.
const maxPCR = 31

// Policy says which enclaves are accepted. One that pins nothing is an error unless Any is set.
// Everything that is pinned must hold. A Policy must not be changed while it is in use.
type Policy struct {
	// Any accepts every enclave that the root vouches for, whatever it runs.
	Any bool
	// PCRs holds the accepted values of each index, of 32, 48 or 64 bytes. Each index named must
	// be present in the document and equal to one of its values.
	PCRs map[int][][]byte
	// FunctionChecksum is SHA-256 of the function's zip, as user_data must carry it.
	FunctionChecksum []byte
	// KeyChecksum is SHA-256 of the key policy, as user_data must carry it.
	KeyChecksum []byte
	// MaxAge refuses documents that were signed longer ago; 0 is no limit.
	MaxAge time.Duration
	// FutureSkew is how far ahead of the verifier's clock a document may be stamped; 0 is
	// DefaultFutureSkew, a negative value none at all.
	FutureSkew time.Duration
	// AllowDebug accepts an enclave in debug mode, whose console anyone can read and whose
	// measurements are zero. Not even Any implies it.
	AllowDebug bool
	// Releases are alternatives: where there are any, one of them must match.
	Releases []Release
}

// Release is one accepted build of an enclave, so that one policy covers a rolling upgrade.
type Release struct {
	// Name, which the report gives back, is not empty and unlike the others'.
	Name string
	// PCRs are as in Policy; at least one index.
	PCRs map[int][][]byte
	// NotAfter is the last moment at which the release is accepted; zero for no end.
	NotAfter time.Time
}

// Check returns an *Error where the policy cannot be used: "argument.policy_empty" when it pins
// nothing, "argument.policy" when a value is malformed or Any contradicts a pin.
func (p *Policy) Check() error {
	if err := p.check(); err != nil {
		return err
	}
	return nil
}

func (p *Policy) check() *Error {
	pins := len(p.PCRs) > 0 || p.FunctionChecksum != nil || p.KeyChecksum != nil || len(p.Releases) > 0
	if !pins && !p.Any {
		return argumentError(reasonPolicyEmpty, "the policy pins nothing",
			`name the PCRs or the checksum to accept, or say "any" to accept every enclave`)
	}
	if pins && p.Any {
		return policyError("the policy pins values and says any as well", `leave out one of the two`)
	}
	if err := checkPCRs(p.PCRs, "the policy"); err != nil {
		return err
	}
	if p.FunctionChecksum != nil && len(p.FunctionChecksum) != sha256.Size {
		return policyError("the policy's function_checksum is not 32 bytes", "give SHA-256 of the function's zip")
	}
	if p.KeyChecksum != nil && len(p.KeyChecksum) != sha256.Size {
		return policyError("the policy's key_checksum is not 32 bytes", "give SHA-256 of the key policy")
	}
	if p.MaxAge < 0 {
		return policyError("the policy's max age is negative", "give a positive one, or leave it out")
	}
	var names map[string]bool
	if len(p.Releases) > 0 {
		names = make(map[string]bool, len(p.Releases))
	}
	for i, release := range p.Releases {
		where := fmt.Sprintf("release %d of the policy", i+1)
		if release.Name == "" || names[release.Name] {
			return policyError(where+" has no name of its own", "give each release a different name")
		}
		names[release.Name] = true
		if len(release.PCRs) == 0 {
			return policyError(where+" pins no PCR", "give each release at least one PCR")
		}
		if err := checkPCRs(release.PCRs, where); err != nil {
			return err
		}
	}
	return nil
}

// checkPCRs reports what is wrong with the pins of the lowest index that something is wrong with.
func checkPCRs(pcrs map[int][][]byte, where string) *Error {
	var first *Error
	lowest := 0
	for index, values := range pcrs {
		if first != nil && index > lowest {
			continue
		}
		if err := checkPCR(index, values, where); err != nil {
			first, lowest = err, index
		}
	}
	return first
}

func checkPCR(index int, values [][]byte, where string) *Error {
	if index < 0 || index > maxPCR {
		return policyError(fmt.Sprintf("%s pins PCR%d", where, index), "PCRs are numbered 0 to 31")
	}
	if len(values) == 0 {
		return policyError(fmt.Sprintf("%s pins PCR%d to no value", where, index),
			"give the accepted values, or leave the index out")
	}
	for _, value := range values {
		if !isPCRSize(len(value)) {
			return policyError(fmt.Sprintf("%s pins PCR%d to a value of %d bytes", where, index, len(value)),
				"a PCR has 32, 48 or 64 bytes; those of Nitro enclaves have 48, which is 96 hex digits")
		}
	}
	return nil
}

// maxPCRSize is the longest value of a PCR, in bytes: a SHA-512 digest.
const maxPCRSize = 64

func isPCRSize(n int) bool { return n == 32 || n == 48 || n == maxPCRSize }

func policyError(cause, remedy string) *Error {
	return argumentError(reasonPolicy, cause, remedy)
}

// describe says what an accepted document was held against.
func (p *Policy) describe(release string) string {
	if p.Any {
		return "any enclave"
	}
	parts := make([]string, 0, 4)
	if len(p.PCRs) > 0 {
		indices := make([]int, 0, maxPCRs)
		for index := range maxPCRs {
			if p.PCRs[index] != nil {
				indices = append(indices, index)
			}
		}
		parts = append(parts, verb(indices, "is", "are")+" as pinned")
	}
	if release != "" {
		parts = append(parts, "release "+quoteName(release))
	}
	if p.FunctionChecksum != nil {
		parts = append(parts, "function's checksum as pinned")
	}
	if p.KeyChecksum != nil {
		parts = append(parts, "key policy's checksum as pinned")
	}
	return strings.Join(parts, ", ")
}
