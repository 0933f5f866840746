package attest

import (
	"bytes"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestVerifyReturnsTheDocument(t *testing.T) {
	t.Parallel()
	document := goodDocument(t)
	if again := goodDocument(t); !bytes.Equal(document, again) {
		t.Fatal("made documents differ from run to run")
	}
	input := slices.Clone(document)
	doc, _, err := Verify(input, goodOptions())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(input, document) {
		t.Error("the input was changed")
	}
	for i := range input {
		input[i] = 0xff // what is returned must not be part of it
	}
	want := &Document{
		ModuleID: testModule, Digest: "SHA384", Timestamp: signedAt, PCRs: make(map[int][]byte),
		PublicKey: testPublicKey, UserData: []byte(testUserData()), Nonce: testNonce,
		NotAfter: signedAt.Truncate(time.Hour).Add(3 * time.Hour),
	}
	for i := range 16 {
		want.PCRs[i] = testPCR(i)
	}
	if !reflect.DeepEqual(doc, want) {
		t.Errorf("%+v\nwant %+v", doc, want)
	}
}

// Memory that a host shares can change at any time: what is signed has to be what was read.
func TestAChangeOfTheInputAfterParsingIsNotSeen(t *testing.T) {
	t.Parallel()
	genuine, options := goodDocument(t), goodOptions()
	forged := bytes.Replace(genuine, testPCR(0), bytes.Repeat([]byte{0xbb}, 48), 1)
	for name, test := range map[string]struct {
		before, after []byte
		want          string
	}{
		"the genuine one for a forgery": {forged, genuine, "signature.invalid"},
		"a forgery for the genuine one": {genuine, forged, ""},
	} {
		shared := slices.Clone(test.before)
		var v Verifier
		e, err := v.parse(shared, &options, options.Time)
		if err != nil {
			t.Fatal(err)
		}
		copy(shared, test.after)
		reason := ""
		if _, err := v.authenticate(e, options.roots(), newReport()); err != nil {
			reason = err.Reason
		}
		if reason != test.want {
			t.Errorf("%s: %q, want %q", name, reason, test.want)
		}
	}
}

func TestVerifyReportsUnknownMembers(t *testing.T) {
	t.Parallel()
	d := newDraft(plainChain(), awsPlan()[leaf].key)
	d.set("zulu", cborNull)
	d.set("alpha", cborMap(cborText("a"), cborUint(1)))
	doc, report, err := Verify(d.document(t), goodOptions())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"alpha", "zulu"}; !slices.Equal(report.UnknownKeys, want) || !slices.Equal(doc.UnknownKeys, want) {
		t.Errorf("%v, %v", report.UnknownKeys, doc.UnknownKeys)
	}
}

func TestVerifyRefusesOptionsThatContradictThemselves(t *testing.T) {
	t.Parallel()
	document := goodDocument(t)
	for name, test := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no policy":           {func(o *Options) { o.Policy = nil }, "argument.policy_missing"},
		"empty policy":        {func(o *Options) { o.Policy = &Policy{} }, "argument.policy_empty"},
		"no roots":            {func(o *Options) { o.Roots = [][]byte{} }, "argument.roots"},
		"empty nonce":         {func(o *Options) { o.Nonce = []byte{} }, "argument.options"},
		"long nonce":          {func(o *Options) { o.Nonce = make([]byte, 1025) }, "argument.options"},
		"two times":           {func(o *Options) { o.AtDocumentTime = true }, "argument.options"},
		"negative length":     {func(o *Options) { o.PublicKeyLength = -1 }, "argument.options"},
		"root is no DER":      {func(o *Options) { o.Roots = [][]byte{nil, []byte("root")} }, "chain.root"},
		"AWS root":            {func(o *Options) { o.Roots = nil }, "chain.root"},
		"one root of several": {func(o *Options) { o.Roots = append([][]byte{AWSRoot()}, o.Roots...) }, ""},
	} {
		options := goodOptions()
		test.change(&options)
		doc, report, err := Verify(document, options)
		if got := reasonOf(t, err); got != test.want || (doc == nil) != (err != nil) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		checkReport(t, report, err)
	}
}

func TestAVerifierServesManyGoroutines(t *testing.T) {
	t.Parallel()
	var v Verifier
	good, bad := goodDocument(t), slices.Clone(goodDocument(t))
	bad[len(bad)-1] ^= 1
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 10 {
				if _, _, err := v.Verify(good, goodOptions()); err != nil {
					t.Error(err)
				}
				if _, report, _ := v.Verify(bad, goodOptions()); report.Reason != "signature.invalid" {
					t.Errorf("%q", report.Reason)
				}
			}
		})
	}
	callers.Wait()
}
