package attest

import (
	"encoding/hex"
	"slices"
	"time"
)

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

// Verify verifies a document, raw CBOR, which is copied before any of it is read. On success all of it holds: a
// pinned root vouches for the document, at the time in question, with the nonce asked for, and
// the policy accepts it. The report is never nil. The error, if any, is an *Error, and then
// the document is nil.
func (v *Verifier) Verify(document []byte, o Options) (*Document, *Report, error) {
	report := newReport()
	e, err := v.verify(document, &o, report)
	if err != nil {
		return nil, report, report.refuse(err)
	}
	report.Verdict = Accepted
	p := e.payload
	return &Document{
		ModuleID: p.moduleID, Digest: p.digest, Timestamp: p.timestamp, PCRs: p.pcrs,
		PublicKey: p.publicKey, UserData: p.userData, Nonce: p.nonce,
		NotAfter: e.leaf.x509.NotAfter, UnknownKeys: slices.Clone(p.unknown),
	}, report, nil
}

// verify takes the six steps and enters them in the report.
func (v *Verifier) verify(document []byte, o *Options, report *Report) (*evidence, *Error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	at := o.Time
	if at.IsZero() {
		at = time.Now()
	}
	if !o.AtDocumentTime {
		report.VerifiedAt = formatTime(at)
	}
	e, err := v.parse(document, o, at)
	if err != nil {
		return nil, err
	}
	report.ok(StepParse, "")
	c, err := v.authenticate(e, o.roots(), report)
	if err != nil {
		return nil, err
	}
	if err := judgeTime(c, e, o, report); err != nil {
		return nil, err
	}
	if err := checkNonce(e.payload.nonce, o.Nonce, report); err != nil {
		return nil, err
	}
	stated, unread := parseUserData(e.payload.userData)
	release, err := o.Policy.accept(e.payload, stated, unread, e.at)
	if err != nil {
		return nil, err
	}
	report.ok(StepPolicy, o.Policy.describe(release))
	report.ModuleID, report.Release, report.UnknownKeys = e.payload.moduleID, release, e.payload.unknown
	report.DebugMode = debugPCR(e.payload.pcrs) >= 0
	if unread == nil {
		report.FunctionChecksum = hex.EncodeToString(stated.functionChecksum)
	}
	return e, nil
}
