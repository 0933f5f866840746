package attest

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

func cacheKey(i int) link {
	return link{certificate: sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))}
}

func TestACacheForgetsTheOldestFirst(t *testing.T) {
	t.Parallel()
	var c cache
	const most = 10
	cert := &certificate{x509: &x509.Certificate{NotAfter: signedAt}}
	for i := range 3 * most {
		c.enter(cacheKey(i), cert, most)
		c.enter(cacheKey(i), cert, most) // once more changes nothing
		if len(c.entries) > most || len(c.order) > most {
			t.Fatalf("%d entries", len(c.entries))
		}
		for j := range 3 * most {
			if known, want := c.find(cacheKey(j), signedAt) != nil, j <= i && j > i-most; known != want {
				t.Fatalf("after %d: %d is remembered: %v", i, j, known)
			}
		}
	}
}

func TestACacheDoesNotFindWhatHasExpired(t *testing.T) {
	t.Parallel()
	var c cache
	if c.find(cacheKey(0), signedAt) != nil {
		t.Error("an empty cache finds something")
	}
	c.enter(cacheKey(0), &certificate{x509: &x509.Certificate{NotAfter: signedAt}}, 4)
	if c.find(cacheKey(0), signedAt) == nil || c.find(cacheKey(0), signedAt.Add(time.Second)) != nil {
		t.Error("notAfter is not what decides")
	}
}

func TestAVerifierRemembersOnlyWhatDescendsFromAPinnedRoot(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		cas, leaves int
	}{
		{"good", 4, 1}, {"pcr0-differs", 4, 1}, {"expired-three-days", 4, 1},
		{"root-foreign", 0, 0}, {"signature-zero", 0, 0}, {"chain-foreign-below-root", 1, 0},
		{"regional-signed-by-stranger", 1, 0}, {"instance-signed-by-stranger", 3, 0}, {"leaf-signed-by-stranger", 4, 0},
		{"instance-not-ca", 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			forgeries := allForgeries()
			i := slices.IndexFunc(forgeries, func(f forgery) bool { return f.name == test.name })
			if i < 0 {
				t.Fatal("no such forgery")
			}
			var v Verifier
			for range 2 {
				if _, report, _ := v.Verify(forgeries[i].document(t), forgeries[i].options(t)); report.Reason != forgeries[i].reason {
					t.Errorf("%q, want %q", report.Reason, forgeries[i].reason)
				}
			}
			if len(v.cas.entries) != test.cas || len(v.leaves.entries) != test.leaves {
				t.Errorf("%d CA certificates and %d others remembered, want %d and %d", len(v.cas.entries), len(v.leaves.entries), test.cas, test.leaves)
			}
		})
	}
}

func TestWhatIsRememberedIsJudgedAnew(t *testing.T) {
	t.Parallel()
	var v Verifier
	document := goodDocument(t)
	if _, _, err := v.Verify(document, goodOptions()); err != nil {
		t.Fatal(err)
	}
	expect := func(what, want string, change func(*Options)) {
		t.Helper()
		options := goodOptions()
		options.Policy, options.Nonce = &Policy{Any: true}, nil
		change(&options)
		if _, report, _ := v.Verify(document, options); report.Reason != want {
			t.Errorf("%s: %q, want %q", what, report.Reason, want)
		}
	}
	expect("same roots", "", func(*Options) {})
	expect("other roots", "chain.root", func(o *Options) { o.Roots = [][]byte{AWSRoot()} })
	expect("later", "chain.expired", func(o *Options) { o.Time = o.Time.AddDate(0, 0, 1) })
	expect("much later", "chain.expired", func(o *Options) { o.Time = o.Time.AddDate(30, 0, 0) })
	expect("earlier", "chain.not_yet_valid", func(o *Options) { o.Time = o.Time.AddDate(0, 0, -1) })
	expect("same time again", "", func(*Options) {})
}
