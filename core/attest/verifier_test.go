package attest

import (
	"bytes"
	"testing"
)

func TestVerifyAcceptsAGoodDocument(t *testing.T) {
	t.Parallel()
	document := goodDocument(t)
	if again := goodDocument(t); !bytes.Equal(document, again) {
		t.Fatal("made documents differ from run to run")
	}
	doc, report, err := Verify(document, goodOptions())
	if err != nil {
		t.Fatal(err)
	}
	if doc.ModuleID != testModule || !doc.Timestamp.Equal(signedAt) || len(doc.PCRs) != 16 || !bytes.Equal(doc.Nonce, testNonce) {
		t.Errorf("%+v", doc)
	}
	if report.Verdict != Accepted {
		t.Errorf("%+v", report)
	}
}
