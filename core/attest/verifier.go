package attest

import (
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// Options says what to hold a document against. It is only read.
type Options struct {
	// Roots are the trusted roots as DER, see ParseRoots; nil is the embedded AWS Nitro root. A
	// document's cabundle must start with one of them, byte for byte.
	Roots [][]byte
	// Time is when to judge validity; zero is now.
	Time time.Time
	// AtDocumentTime judges an archived document at the time that it was signed, in place of
	// Time. That it was signed in the past is then no reason to refuse it, so never use it to
	// decide whom to talk to.
	AtDocumentTime bool
	// Nonce is what the document has to carry; nil: not checked, and the document may be old.
	Nonce []byte
	// PublicKeyLength, if not 0, is how many bytes public_key must have.
	PublicKeyLength int
	// Policy decides acceptance and is required.
	Policy *Policy
}

// Document is the content of an accepted document. It shares no memory with the input; the
// caller may keep and change it.
type Document struct {
	ModuleID    string         // the enclave: instance id and enclave id
	Digest      string         // "SHA384"
	Timestamp   time.Time      // when it was signed, UTC, to the millisecond
	PCRs        map[int][]byte // index 0 to 31; 32, 48 or 64 bytes each
	PublicKey   []byte         // up to 1024 bytes, nil where absent; likewise these two:
	UserData    []byte
	Nonce       []byte
	NotAfter    time.Time // end of the validity of the certificate that signed it
	UnknownKeys []string  // names of members that this version does not know, sorted
}

// Verifier verifies documents, and remembers certificates that it found to be signed by their
// issuers, so that only the document's own signature is left to check for an enclave that it has
// seen. The zero value is ready, keeps at most a few megabytes, and may be used by any number of
// goroutines at once; it must not be copied after first use.
type Verifier struct {
	cas, leaves cache
}

// Verify is Verifier.Verify without a memory.
func Verify(document []byte, o Options) (*Document, *Report, error) {
	return new(Verifier).Verify(document, o)
}

// Verify verifies a document, raw CBOR, which is only read. On success all of it holds: a
// pinned root vouches for the document, at the time in question, with the nonce asked for, and
// the policy accepts it. The report is never nil. The error, if any, is an *Error, and then
// the document is nil.
func (v *Verifier) Verify(document []byte, o Options) (*Document, *Report, error) {
	report := newReport()
	p, leaf, err := v.verify(document, &o, report)
	if err != nil {
		return nil, report, report.refuse(err)
	}
	report.Verdict = Accepted
	return &Document{
		ModuleID: p.moduleID, Digest: p.digest, Timestamp: p.timestamp, PCRs: p.pcrs,
		PublicKey: p.publicKey, UserData: p.userData, Nonce: p.nonce,
		NotAfter: leaf.x509.NotAfter, UnknownKeys: slices.Clone(p.unknown),
	}, report, nil
}

func (o *Options) check() *Error {
	switch {
	case o.Policy == nil:
		return argumentError(reasonPolicyMissing, "no policy was given", `say which PCRs or checksum to accept, or "any"`)
	case o.Roots != nil && len(o.Roots) == 0:
		return argumentError(reasonRoots, "the list of trusted roots is empty", "name a root, or give none for the AWS Nitro root")
	case o.Nonce != nil && (len(o.Nonce) == 0 || len(o.Nonce) > maxOptional):
		return argumentError(reasonOptions, "the nonce to compare with is not 1 to 1024 bytes", "ask for documents with a random nonce of 16 bytes or more")
	case o.AtDocumentTime && !o.Time.IsZero():
		return argumentError(reasonOptions, "a time was given, and the document's own time asked for as well", "leave out one of the two")
	case o.PublicKeyLength < 0:
		return argumentError(reasonOptions, "the length asked of public_key is negative", "give 0 for any")
	}
	return o.Policy.check()
}

func (v *Verifier) verify(document []byte, o *Options, report *Report) (*payload, *certificate, *Error) {
	if err := o.check(); err != nil {
		return nil, nil, err
	}
	at := o.Time
	if at.IsZero() {
		at = time.Now()
	}
	if !o.AtDocumentTime {
		report.VerifiedAt = formatTime(at)
	}
	roots := o.Roots
	if roots == nil {
		roots = [][]byte{awsRootDER()}
	}

	e, p, err := parseDocument(document, o)
	if err != nil {
		return nil, nil, err
	}
	if o.AtDocumentTime {
		at = p.timestamp
	}
	links := issuedLinks(p.cabundle, p.certificate)
	leaf := v.leaves.find(links[len(links)-1], at)
	leafKnown := leaf != nil
	if leaf == nil {
		var bad error
		if leaf, bad = newCertificate(p.certificate); bad != nil {
			return nil, nil, fieldError("certificate", "cannot be read")
		}
	}
	report.ok(StepParse, "")

	c, err := v.authenticate(e, p, leaf, leafKnown, links, roots, at, report)
	if err != nil {
		return nil, nil, err
	}
	if err := judgeTime(c, p, links[0].certificate[:], at, o, report); err != nil {
		return nil, nil, err
	}
	if err := checkNonce(p.nonce, o.Nonce, report); err != nil {
		return nil, nil, err
	}
	stated, unread := parseUserData(p.userData)
	release, err := o.Policy.accept(p, stated, unread, at)
	if err != nil {
		return nil, nil, err
	}
	report.ok(StepPolicy, o.Policy.describe(release))
	report.ModuleID, report.Release, report.UnknownKeys = p.moduleID, release, p.unknown
	report.DebugMode = debugPCR(p.pcrs) >= 0
	if unread == nil {
		report.FunctionChecksum = hex.EncodeToString(stated.functionChecksum)
	}
	return p, leaf, nil
}

func parseDocument(document []byte, o *Options) (*envelope, *payload, *Error) {
	if len(document) == 0 {
		return nil, nil, cborError("parse.empty", "there is no document, but nothing at all")
	}
	if len(document) > maxDocument {
		return nil, nil, cborError("parse.too_large", "the document is over 16 KiB, more than a security module makes")
	}
	e, err := parseEnvelope(document)
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
func (v *Verifier) authenticate(e *envelope, p *payload, leaf *certificate, leafKnown bool, links []link, roots [][]byte, at time.Time, report *Report) (*chain, *Error) {
	if leaf.key == nil {
		return nil, &Error{StepSignature, "signature.key", "the key of the enclave's certificate is not on P-384, so it cannot have signed with ES384", remedyForged}
	}
	c, chainErr := v.build(p, leaf, leafKnown, links, roots, at)
	signed := false
	jobs := []func(){func() {
		digest := e.digest()
		signed = leaf.key.verify(&digest, e.signature[:p384Size], e.signature[p384Size:])
	}}
	valid := make([]bool, len(links))
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
	v.remember(c, links, valid)
	return c, c.checkSignatures(valid)
}

// judgeTime is the rest of the step chain, and the step time.
func judgeTime(c *chain, p *payload, rootSHA256 []byte, at time.Time, o *Options, report *Report) *Error {
	fresh := o.Nonce != nil && !o.AtDocumentTime && subtle.ConstantTimeCompare(o.Nonce, p.nonce) == 1
	err := checkClock(c, p, c.checkValidity(at, !o.AtDocumentTime), o.Policy, at, fresh)
	if err != nil && err.Step == StepChain {
		return err
	}
	report.ok(StepChain, fmt.Sprintf("%d certificates from the pinned root", len(c.cas)+1))
	report.authentic(p, rootSHA256)
	report.VerifiedAt = formatTime(at)
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
