package attest

import (
	"bytes"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"sync"
)

// awsRoot is the root of AWS Nitro attestation, "G1", valid until 2049-10-28. Its SHA-256
// fingerprint, which AWS publishes, is
// 641A0321A3E244EFE456463195D606317ED7CDCC3C1756E09893F3C68F79BB5B.
//
//go:embed aws-nitro-root-g1.pem
var awsRoot []byte

// maxRootsPEM bounds what ParseRoots reads, in bytes.
const maxRootsPEM = 1 << 20

var awsRootDER = sync.OnceValue(func() []byte {
	block, _ := pem.Decode(awsRoot)
	return block.Bytes
})

// AWSRoot returns the embedded AWS Nitro root as DER, which is trusted where Options names no
// root. The caller may keep and change it.
func AWSRoot() []byte { return bytes.Clone(awsRootDER()) }

// ParseRoots returns the certificates of a PEM file as DER, for Options.Roots. Text between the
// blocks is skipped. The error is an *Error with reason "argument.roots": no certificate, a
// block of another kind, a broken one, or a file over 1 MiB.
func ParseRoots(data []byte) ([][]byte, error) {
	fail := func(cause string) ([][]byte, error) {
		return nil, argumentError(reasonRoots, cause, "give the roots as PEM, one CERTIFICATE block for each")
	}
	if len(data) > maxRootsPEM {
		return fail("the roots are over 1 MiB of PEM")
	}
	const begin = "-----BEGIN"
	var roots [][]byte
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			if bytes.Contains(data, []byte(begin)) {
				return fail("a PEM block of the roots is broken")
			}
			break
		}
		// The decoder skips blocks that it cannot read, and a root that silently is not there
		// would only be noticed much later.
		if bytes.Count(data[:len(data)-len(rest)], []byte(begin)) != 1 {
			return fail("a PEM block of the roots is broken")
		}
		if block.Type != "CERTIFICATE" {
			return fail("the roots hold a PEM block that is no certificate")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fail("the roots hold a certificate that cannot be read")
		}
		roots = append(roots, block.Bytes)
		data = rest
	}
	if len(roots) == 0 {
		return fail("the roots hold no certificate")
	}
	return roots, nil
}
