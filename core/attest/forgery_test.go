package attest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// forgery is a document that is wrong in one way, or a good one that is asked of in a way that
// it does not answer, or (with no reason) a control that has to be accepted.
type forgery struct {
	name   string // also of its file, without ".bin"
	why    string
	reason string // what Verify has to say; empty where it has to accept

	plan   func(plans []*certPlan)        // changes the chain before it is issued
	bundle func(ders [][]byte) [][]byte   // changes the chain after: root to leaf
	draft  func(d *draft, chain [][]byte) // changes the document before it is signed
	raw    func(document []byte) []byte   // changes the finished document

	at             time.Time // zero: two seconds after it was signed
	atDocumentTime bool
	nonce          []byte
	keyLength      int
	policy         string // JSON; empty: "any"
}

// allForgeries lists the controls, and then what has to be refused.
func allForgeries() []forgery {
	return slices.Concat(controls(), envelopeForgeries(), signatureForgeries(), payloadForgeries(), fieldForgeries(),
		chainForgeries(), timeForgeries(), policyForgeries())
}

// madeDocuments holds what document made, by name, as several tests go through all of them.
var madeDocuments sync.Map

func (f *forgery) document(t testing.TB) []byte {
	t.Helper()
	made, known := madeDocuments.Load(f.name)
	if !known {
		made, _ = madeDocuments.LoadOrStore(f.name, f.make(t))
	}
	return slices.Clone(made.([]byte))
}

func (f *forgery) make(t testing.TB) []byte {
	t.Helper()
	chain, signer := plainChain(), awsPlan()[leaf].key
	if f.plan != nil {
		plans := awsPlan()
		f.plan(plans)
		chain, signer = issue(t, plans), plans[leaf].key
	}
	if f.bundle != nil {
		chain = f.bundle(slices.Clone(chain))
	}
	d := newDraft(chain, signer)
	if f.draft != nil {
		f.draft(d, chain)
	}
	document := d.document(t)
	if f.raw != nil {
		document = f.raw(document)
	}
	return document
}

func (f *forgery) time() time.Time {
	switch {
	case f.atDocumentTime:
		return time.Time{}
	case f.at.IsZero():
		return signedAt.Add(2 * time.Second)
	}
	return f.at
}

func (f *forgery) policyJSON() string {
	if f.policy == "" {
		return `"any"`
	}
	return f.policy
}

func (f *forgery) options(t testing.TB) Options {
	t.Helper()
	policy, err := ParsePolicy([]byte(f.policyJSON()))
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Roots: testRoots(), Time: f.time(), AtDocumentTime: f.atDocumentTime,
		Nonce: f.nonce, PublicKeyLength: f.keyLength, Policy: policy,
	}
}

func TestVerifyRefusesEachForgeryForItsOwnReason(t *testing.T) {
	t.Parallel()
	var shared Verifier // what it remembers must change no verdict
	names := make(map[string]bool)
	refused := 0
	for _, f := range allForgeries() {
		if names[f.name] {
			t.Errorf("two are named %s", f.name)
		}
		names[f.name] = true
		if f.reason != "" {
			refused++
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			document, options := f.document(t), f.options(t)
			for _, verify := range []func([]byte, Options) (*Document, *Report, error){Verify, shared.Verify, shared.Verify} {
				doc, report, err := verify(document, options)
				if report.Reason != f.reason {
					t.Fatalf("reason %q, want %q (%s): %v", report.Reason, f.reason, f.why, err)
				}
				if (err == nil) != (f.reason == "") || (doc == nil) != (err != nil) {
					t.Fatalf("document %v, error %v", doc != nil, err)
				}
				checkReport(t, report, err)
				if f.atDocumentTime && report.VerifiedAt != report.Timestamp {
					t.Errorf("judged at %s, which is not, or not yet known to be, the document's time", report.VerifiedAt)
				}
			}
		})
	}
	if refused < 100 {
		t.Errorf("only %d forgeries", refused)
	}
}

// TestEveryReasonHasItsForgery looks for reasons in the sources, so that no rule is without a
// document that breaks it.
func TestEveryReasonHasItsForgery(t *testing.T) {
	t.Parallel()
	forged := make(map[string]bool)
	for _, f := range allForgeries() {
		forged[f.reason] = true
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	reason := regexp.MustCompile(`"((parse|cbor|cose|document|signature|chain|time|nonce|policy)\.[a-z0-9_]+)"`)
	found := 0
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") || name == "resultkey.go" { // which reads what was verified
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range reason.FindAllSubmatch(source, -1) {
			found++
			if text := string(match[1]); !forged[text] {
				t.Errorf("%s refuses with %s, of which there is no forgery", name, text)
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d reasons found", found)
	}
}
