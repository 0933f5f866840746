package attest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"time"
)

// chain is the certificates of a document, in the order of the cabundle: root first, then the
// others down to the issuer of the leaf.
type chain struct {
	cas  []*certificate
	leaf *certificate
	// known tells which certificates' signatures are remembered, index by index as in cas and
	// then the leaf. The root, which is pinned byte by byte, needs no signature.
	known []bool
}

// issuedLinks names each certificate of a bundle, and the leaf after them, with its issuer. The
// root stands as its own.
func issuedLinks(cabundle [][]byte, leaf []byte) []link {
	links := make([]link, len(cabundle)+1)
	issuer := sha256.Sum256(cabundle[0])
	for i := range links {
		der := leaf
		if i < len(cabundle) {
			der = cabundle[i]
		}
		links[i] = link{sha256.Sum256(der), issuer}
		issuer = links[i].certificate
	}
	return links
}

// build parses what is not remembered of the bundle and checks all that needs neither signature
// nor time.
func (v *Verifier) build(e *evidence, roots [][]byte) (*chain, *Error) {
	cabundle := e.payload.cabundle
	if err := checkRoot(cabundle, roots); err != nil {
		return nil, err
	}
	n := len(cabundle)
	c := &chain{cas: make([]*certificate, n), leaf: e.leaf, known: make([]bool, n+1)}
	for i, der := range cabundle {
		cert := v.cas.find(e.links[i], e.at)
		c.known[i] = cert != nil || i == 0
		if cert == nil {
			var err error
			if cert, err = newCertificate(der); err != nil {
				return nil, chainError("chain.certificate", caName(i)+" cannot be read")
			}
		}
		c.cas[i] = cert
	}
	c.known[n] = e.known
	if err := c.checkOrder(e.links); err != nil {
		return nil, err
	}
	if err := c.checkProfiles(); err != nil {
		return nil, err
	}
	return c, nil
}

// checkOrder checks that each certificate names the one before it as its issuer.
func (c *chain) checkOrder(links []link) *Error {
	for i := 1; i < len(links); i++ {
		if links[i].certificate == links[i].issuer {
			return chainError("chain.order", c.name(i)+" is the certificate before it once more")
		}
		if !bytes.Equal(c.at(i).x509.RawIssuer, c.at(i-1).x509.RawSubject) {
			return chainError("chain.order", c.name(i)+" names another issuer than the certificate before it")
		}
	}
	return nil
}

// checkProfiles checks what each certificate is allowed to do.
func (c *chain) checkProfiles() *Error {
	for i, cert := range c.cas {
		if err := cert.checkCA(c.name(i)); err != nil {
			return err
		}
	}
	if err := c.leaf.checkLeaf(); err != nil {
		return err
	}
	for i, cert := range c.cas {
		below := len(c.cas) - 1 - i
		if limited := cert.x509.MaxPathLen > 0 || cert.x509.MaxPathLenZero; limited && below > cert.x509.MaxPathLen {
			return chainError("chain.path_length", c.name(i)+" has more CA certificates below it than its path length allows")
		}
	}
	return nil
}

// at returns a certificate by its place: root first, leaf last.
func (c *chain) at(i int) *certificate {
	if i == len(c.cas) {
		return c.leaf
	}
	return c.cas[i]
}

// signatures returns a job for each certificate signature that is not remembered; each enters
// its result in valid, index by index as in known.
func (c *chain) signatures(valid []bool) []func() {
	var jobs []func()
	for i := range c.known {
		if c.known[i] {
			valid[i] = true
			continue
		}
		jobs = append(jobs, func() { valid[i] = c.at(i).signedBy(c.at(i - 1).key) })
	}
	return jobs
}

// remember enters in the caches what was found to be signed, down from the root to the first
// that was not.
func (v *Verifier) remember(c *chain, links []link, valid []bool) {
	for i, cert := range c.cas {
		if !valid[i] {
			return
		}
		v.cas.enter(links[i], cert, maxCachedCAs)
	}
	if last := len(c.cas); valid[last] {
		v.leaves.enter(links[last], c.leaf, maxCachedLeaves)
	}
}

// checkSignatures reports the first certificate that its issuer did not sign.
func (c *chain) checkSignatures(valid []bool) *Error {
	for i, ok := range valid {
		if !ok {
			return chainError("chain.signature", c.name(i)+" is not signed by the certificate before it")
		}
	}
	return nil
}

// checkValidity checks every certificate at a time, the leaf too if withLeaf is set.
func (c *chain) checkValidity(at time.Time, withLeaf bool) *Error {
	for i := len(c.cas); i >= 0; i-- { // the leaf is what people ask about
		if i == len(c.cas) && !withLeaf {
			continue
		}
		cert := c.at(i)
		if at.After(cert.x509.NotAfter) {
			return &Error{StepChain, "chain.expired",
				fmt.Sprintf("%s expired at %s, %s before the time of verification", c.name(i),
					cert.x509.NotAfter.UTC().Format(time.RFC3339), seconds(at.Sub(cert.x509.NotAfter))),
				"fetch a fresh document with a nonce and check the local clock; verify an archived document at its own time"}
		}
		if at.Before(cert.x509.NotBefore) {
			return &Error{StepChain, "chain.not_yet_valid",
				fmt.Sprintf("%s is valid from %s, %s after the time of verification", c.name(i),
					cert.x509.NotBefore.UTC().Format(time.RFC3339), seconds(cert.x509.NotBefore.Sub(at))),
				"check the local clock, which seems to be behind, or the time that was asked for"}
		}
	}
	return nil
}

func (c *chain) name(i int) string {
	if i == len(c.cas) {
		return "the enclave's certificate"
	}
	return caName(i)
}

func caName(i int) string {
	if i == 0 {
		return "the root certificate"
	}
	return fmt.Sprintf("certificate %d of the cabundle", i+1)
}
