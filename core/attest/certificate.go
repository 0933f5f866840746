package attest

import (
	"bytes"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
)

// certificate is a parsed certificate. It does not change once it is made.
type certificate struct {
	x509 *x509.Certificate
	key  *publicKey // nil where it is not on P-384
}

func newCertificate(der []byte) (*certificate, error) {
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &certificate{x509: parsed, key: newPublicKey(parsed)}, nil
}

// signedBy reports whether the issuer's key signed the certificate.
func (c *certificate) signedBy(issuer *publicKey) bool {
	r, s, ok := parseSignature(c.x509.Signature)
	if !ok {
		return false
	}
	digest := sha512.Sum384(c.x509.RawTBSCertificate)
	return issuer.verify(&digest, r, s)
}

// The extensions that are evaluated here; any other that is critical has to refuse (RFC 5280
// section 4.2). crypto/x509 counts more as handled, as its own Verify evaluates them.
var (
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidNameConstraints  = asn1.ObjectIdentifier{2, 5, 29, 30}
)

// checkProfile checks what holds for every certificate of a chain.
func (c *certificate) checkProfile(name string) *Error {
	switch {
	case c.x509.Version != 3:
		return chainError("chain.certificate", name+" is not an X.509 certificate of version 3")
	case c.x509.SignatureAlgorithm != x509.ECDSAWithSHA384:
		return chainError("chain.algorithm", name+" is not signed with ECDSA and SHA-384")
	case c.key == nil:
		return chainError("chain.algorithm", name+" has a key that is not on P-384")
	}
	for _, extension := range c.x509.Extensions {
		known := extension.Id.Equal(oidBasicConstraints) || extension.Id.Equal(oidKeyUsage)
		if extension.Critical && !known || extension.Id.Equal(oidNameConstraints) {
			return chainError("chain.critical_extension", name+" has an extension that has to be obeyed and is not known here")
		}
	}
	return nil
}

// checkCA checks a certificate that issues others.
func (c *certificate) checkCA(name string) *Error {
	if err := c.checkProfile(name); err != nil {
		return err
	}
	switch {
	case !c.x509.BasicConstraintsValid || !c.x509.IsCA:
		return chainError("chain.not_ca", name+" issues a certificate but is no CA")
	case c.x509.KeyUsage&x509.KeyUsageCertSign == 0:
		return chainError("chain.key_usage", name+" issues a certificate, which its key usage does not allow")
	}
	return nil
}

// checkLeaf checks the certificate that signed the document. crypto/x509 would let a CA sign, and
// does not look at digitalSignature.
func (c *certificate) checkLeaf() *Error {
	const name = "the enclave's certificate"
	if err := c.checkProfile(name); err != nil {
		return err
	}
	switch {
	case c.x509.IsCA:
		return chainError("chain.leaf_is_ca", name+" is a CA certificate")
	case c.x509.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return chainError("chain.key_usage", name+" may not sign documents: its key usage lacks digitalSignature")
	case c.x509.KeyUsage&x509.KeyUsageCertSign != 0:
		return chainError("chain.key_usage", name+" may sign certificates though it is no CA")
	}
	return nil
}

// checkRoot finds the pinned root that a bundle starts with.
func checkRoot(cabundle, roots [][]byte) *Error {
	pinned := func(der []byte) bool {
		return slices.ContainsFunc(roots, func(root []byte) bool { return bytes.Equal(root, der) })
	}
	if pinned(cabundle[0]) {
		return nil
	}
	for i, der := range cabundle[1:] {
		if pinned(der) {
			return chainError("chain.order", fmt.Sprintf("the trusted root is certificate %d of the cabundle and not its first", i+2))
		}
	}
	return &Error{StepChain, "chain.root", "the document's chain starts from a root that is not trusted",
		"for an AWS enclave trust the AWS Nitro root, for a local enclave pass the root that it told"}
}

func chainError(reason, cause string) *Error {
	return &Error{Step: StepChain, Reason: reason, Cause: cause, Remedy: remedyChain}
}
