package capelib

import (
	"github.com/libcape/libcape/core/attest"
	"github.com/libcape/libcape/core/wire"
)

// Evidence is what an enclave gave beside a result, so that somebody else can verify it later.
type Evidence struct {
	// Document is the attestation document of the session that the call belonged to, and Raw its
	// bytes. They must not be changed.
	Document *attest.Document
	Raw      []byte
	// Checksums are those of input, function and output, and Signature is that of the enclave over
	// [wire.Checksums.SignedBytes]. They are nil unless results are signed, and were verified then.
	Checksums *wire.Checksums
	Signature []byte
}

// Evidence tells what is behind the result of a call that has ended. It is empty for a call that
// never had a session.
func (r *Call) Evidence() Evidence {
	<-r.done
	var e Evidence
	if s := r.session.Load(); s != nil && s.document != nil {
		e.Document, e.Raw = s.document.Document, s.document.raw
	}
	if signed := r.signed.Load(); signed != nil && r.err == nil {
		e.Checksums, e.Signature = signed.Checksums, signed.SignedChecksums
	}
	return e
}

// attested is a document that was verified, and its bytes.
type attested struct {
	*attest.Document
	raw []byte
}
