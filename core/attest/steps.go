package attest

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"time"
)

// evidence is a document taken apart, of which nothing is authenticated yet.
type evidence struct {
	envelope *envelope
	payload  *payload
	links    []link // see issuedLinks
	leaf     *certificate
	known    bool      // the leaf is remembered
	at       time.Time // when to judge it
}

// parse is the step of that name. at is when to judge the document, unless it is to be judged at
// its own time.
func (v *Verifier) parse(document []byte, o *Options, at time.Time) (*evidence, *Error) {
	envelope, payload, err := parseDocument(document, o)
	if err != nil {
		return nil, err
	}
	if o.AtDocumentTime {
		at = payload.timestamp
	}
	e := &evidence{envelope: envelope, payload: payload, links: issuedLinks(payload.cabundle, payload.certificate), at: at}
	if e.leaf = v.leaves.find(e.links[len(e.links)-1], at); e.leaf != nil {
		e.known = true
		return e, nil
	}
	leaf, unread := newCertificate(payload.certificate)
	if unread != nil {
		return nil, fieldError("certificate", "cannot be read")
	}
	e.leaf = leaf
	return e, nil
}

// parseDocument takes a document apart. It reads its own copy of it: the caller's memory may be
// shared with others, who could change it between what is read and what is hashed.
func parseDocument(document []byte, o *Options) (*envelope, *payload, *Error) {
	if len(document) == 0 {
		return nil, nil, cborError("parse.empty", "there is no document, but nothing at all")
	}
	if len(document) > maxDocument {
		return nil, nil, cborError("parse.too_large", "the document is over 16 KiB, more than a security module makes")
	}
	e, err := parseEnvelope(bytes.Clone(document))
	if err != nil {
		return nil, nil, err
	}
	p, err := parsePayload(e.payload)
	if err != nil {
		return nil, nil, err
	}
	if o.PublicKeyLength != 0 {
		const remedy = "ask the enclave for a document with the key of the session"
		if p.publicKey == nil {
			return nil, nil, &Error{StepParse, "document.public_key_missing", "the document has no public_key", remedy}
		}
		if len(p.publicKey) != o.PublicKeyLength {
			return nil, nil, &Error{StepParse, "document.public_key_length",
				fmt.Sprintf("the document's public_key does not have %d bytes", o.PublicKeyLength), remedy}
		}
	}
	return e, p, nil
}

// authenticate is the steps signature and chain, but for validity in time. Their signatures are
// independent of each other and are checked at once; the steps are reported in order.
func (v *Verifier) authenticate(e *evidence, roots [][]byte, report *Report) (*chain, *Error) {
	if e.leaf.key == nil {
		return nil, &Error{StepSignature, "signature.key", "the key of the enclave's certificate is not on P-384, so it cannot have signed with ES384", remedyForged}
	}
	c, chainErr := v.build(e, roots)
	signed := false
	jobs := []func(){func() {
		digest, signature := e.envelope.digest(), e.envelope.signature
		signed = e.leaf.key.verify(&digest, signature[:p384Size], signature[p384Size:])
	}}
	valid := make([]bool, len(e.links))
	if chainErr == nil {
		jobs = append(jobs, c.signatures(valid)...)
	}
	concurrently(jobs)
	if !signed {
		return nil, &Error{StepSignature, "signature.invalid", "the document is not signed by its certificate", remedyForged}
	}
	report.ok(StepSignature, "ES384")
	if chainErr != nil {
		return nil, chainErr
	}
	v.remember(c, e.links, valid)
	return c, c.checkSignatures(valid)
}

// judgeTime is the rest of the step chain, and the step time.
func judgeTime(c *chain, e *evidence, o *Options, report *Report) *Error {
	p, at := e.payload, e.at
	fresh := o.Nonce != nil && !o.AtDocumentTime && subtle.ConstantTimeCompare(o.Nonce, p.nonce) == 1
	err := checkClock(c, p, c.checkValidity(at, !o.AtDocumentTime), o.Policy, at, fresh)
	if err != nil && err.Step == StepChain {
		return err
	}
	report.ok(StepChain, fmt.Sprintf("%d certificates from the pinned root", len(c.cas)+1))
	report.authentic(p, e.links[0].certificate[:])
	if o.AtDocumentTime {
		report.VerifiedAt = report.Timestamp
	}
	if err != nil {
		if skew := int64(at.Sub(p.timestamp) / time.Second); fresh || err.Reason == "time.future" {
			report.ClockSkewSeconds = &skew
		}
		return err
	}
	detail := "judged at the document's own time"
	if !o.AtDocumentTime {
		detail = "signed " + seconds(max(at.Sub(p.timestamp), 0)) + " before"
	}
	report.ok(StepTime, detail)
	return nil
}

func checkNonce(got, want []byte, report *Report) *Error {
	const remedy = "do not trust the sender: it may replay an old document; ask again with a fresh nonce"
	switch {
	case want == nil:
		report.ok(StepNonce, "none asked for")
		return nil
	case len(got) == 0:
		return &Error{StepNonce, "nonce.missing", "the document has no nonce", remedy}
	case subtle.ConstantTimeCompare(want, got) != 1:
		return &Error{StepNonce, "nonce.mismatch", "the document has another nonce than the one asked for", remedy}
	}
	report.ok(StepNonce, "the one asked for")
	return nil
}
