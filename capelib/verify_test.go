package capelib_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
)

// The document is one of tests/vectors/attest; that each of them gets its verdict is for
// tests/verify.
const vectors = "../tests/vectors/attest/"

var (
	goodSigned = time.Date(2026, 6, 1, 12, 30, 0, 250_000_000, time.UTC)
	goodNonce  = []byte("0123456789abcdef")
)

func readVector(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(vectors + name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// acceptingGood are options under which good.bin is accepted.
func acceptingGood(t testing.TB) capelib.VerifyOptions {
	t.Helper()
	return capelib.VerifyOptions{
		Policy: &capelib.Policy{Any: true}, AttestationRoots: readVector(t, "root.pem"),
		Nonce: goodNonce, PublicKeyLength: 32, Time: goodSigned.Add(2 * time.Second),
	}
}

func TestParseVerifyOptionsIsStrict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ json, reason string }{
		"nothing":              {``, "argument.options"},
		"not JSON":             {`policy`, "argument.options"},
		"null":                 {`null`, "argument.options"},
		"an array":             {`[]`, "argument.options"},
		"a text":               {`"any"`, "argument.options"},
		"trailing":             {`{"policy":"any"} {}`, "argument.options"},
		"trailing comma":       {`{"policy":"any",}`, "argument.options"},
		"not UTF-8":            {"{\"nonce\":\"\xff\"}", "argument.options"},
		"deep":                 {strings.Repeat(`{"policy":`, 10_000), "argument.options"},
		"unknown name":         {`{"policy":"any","root":""}`, "argument.options"},
		"name of connect":      {`{"policy":"any","url":"ws://127.0.0.1:1"}`, "argument.options"},
		"other case":           {`{"policy":"any","Nonce":"00"}`, "argument.options"},
		"twice":                {`{"policy":"any","nonce":"00","nonce":"01"}`, "argument.options"},
		"twice the policy":     {`{"policy":"any","policy":{}}`, "argument.options"},
		"twice by an escape":   {`{"policy":"any","nonce":"00","\u006eonce":"01"}`, "argument.options"},
		"null nonce":           {`{"policy":"any","nonce":null}`, "argument.options"},
		"null roots":           {`{"policy":"any","attestation_roots":null}`, "argument.options"},
		"nonce number":         {`{"policy":"any","nonce":0}`, "argument.options"},
		"nonce not hex":        {`{"policy":"any","nonce":"xy"}`, "argument.options"},
		"nonce half a byte":    {`{"policy":"any","nonce":"012"}`, "argument.options"},
		"time of year 1":       {`{"policy":"any","time":"0001-01-01T00:00:00Z"}`, "argument.options"},
		"empty time":           {`{"policy":"any","time":""}`, "argument.options"},
		"nonce with 0x":        {`{"policy":"any","nonce":"0x01"}`, "argument.options"},
		"roots list":           {`{"policy":"any","attestation_roots":[]}`, "argument.options"},
		"length text":          {`{"policy":"any","public_key_length":"32"}`, "argument.options"},
		"length negative":      {`{"policy":"any","public_key_length":-1}`, "argument.options"},
		"length fraction":      {`{"policy":"any","public_key_length":0.5}`, "argument.options"},
		"length huge":          {`{"policy":"any","public_key_length":65536}`, "argument.options"},
		"time number":          {`{"policy":"any","time":1780000000}`, "argument.options"},
		"time in words":        {`{"policy":"any","time":"now"}`, "argument.options"},
		"time without zone":    {`{"policy":"any","time":"2026-06-01T12:30:00"}`, "argument.options"},
		"time that is none":    {`{"policy":"any","time":"2026-02-30T12:30:00Z"}`, "argument.options"},
		"own time text":        {`{"policy":"any","at_document_time":"true"}`, "argument.options"},
		"own time number":      {`{"policy":"any","at_document_time":1}`, "argument.options"},
		"policy unknown":       {`{"policy":{"pcr":{"0":["00"]}}}`, "argument.policy"},
		"policy of other case": {`{"policy":{"Any":true}}`, "argument.policy"},
		"policy number":        {`{"policy":1}`, "argument.policy"},
		"policy none":          {`{"policy":"none"}`, "argument.policy"},
		"policy short PCR":     {`{"policy":{"pcrs":{"0":"00"}}}`, "argument.policy"},
		"policy empty":         {`{"policy":{}}`, "argument.policy_empty"},
		"policy without a pin": {`{"policy":{"allow_debug":true,"max_age_ms":1}}`, "argument.policy_empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := capelib.ParseVerifyOptions([]byte(c.json))
			wantError(t, err, capelib.CodeArgument, c.reason)
		})
	}
}

func TestParseVerifyOptionsReadsEveryName(t *testing.T) {
	t.Parallel()
	o, err := capelib.ParseVerifyOptions([]byte(`{"policy":{"any":true,"allow_debug":true},"attestation_roots":"r",
		"nonce":"00Ff","public_key_length":65535,"time":"2026-06-01T14:30:00.25+02:00","at_document_time":true}`))
	if err != nil {
		t.Fatal(err)
	}
	if !o.Policy.Any || !o.Policy.AllowDebug || string(o.AttestationRoots) != "r" || !bytes.Equal(o.Nonce, []byte{0, 0xff}) ||
		o.PublicKeyLength != 65535 || !o.Time.Equal(goodSigned) || !o.AtDocumentTime {
		t.Errorf("%+v", o)
	}
	o, err = capelib.ParseVerifyOptions([]byte(`{}`))
	if err != nil || o.Policy != nil || len(o.AttestationRoots) != 0 || o.Nonce != nil || o.PublicKeyLength != 0 || !o.Time.IsZero() || o.AtDocumentTime {
		t.Errorf("no options are %+v, %v", o, err)
	}
}

func TestVerifyOptionsThatAreEmptyAreNotAbsent(t *testing.T) {
	t.Parallel()
	for json, reason := range map[string]string{
		`{"policy":"any","nonce":""}`:             "argument.options",
		`{"policy":"any","attestation_roots":""}`: "argument.roots",
	} {
		o, err := capelib.ParseVerifyOptions([]byte(json))
		if err != nil {
			t.Fatal(err)
		}
		_, err = capelib.Verify(readVector(t, "good.bin"), o)
		wantError(t, err, capelib.CodeArgument, reason)
	}
}

func TestVerifyRefusesOptionsThatCannotBeMeant(t *testing.T) {
	t.Parallel()
	root := readVector(t, "root.pem")
	for name, c := range map[string]struct {
		change func(*capelib.VerifyOptions)
		reason string
	}{
		"no policy":     {func(o *capelib.VerifyOptions) { o.Policy = nil }, "argument.policy_missing"},
		"empty policy":  {func(o *capelib.VerifyOptions) { o.Policy = &capelib.Policy{} }, "argument.policy_empty"},
		"only debug":    {func(o *capelib.VerifyOptions) { o.Policy = &capelib.Policy{AllowDebug: true} }, "argument.policy_empty"},
		"short PCR":     {func(o *capelib.VerifyOptions) { o.Policy = &capelib.Policy{PCRs: map[int][][]byte{0: {{1}}}} }, "argument.policy"},
		"any and a pin": {func(o *capelib.VerifyOptions) { o.Policy.FunctionChecksum = make([]byte, 32) }, "argument.policy"},
		"empty roots":   {func(o *capelib.VerifyOptions) { o.AttestationRoots = []byte{} }, "argument.roots"},
		"roots no PEM":  {func(o *capelib.VerifyOptions) { o.AttestationRoots = []byte("no PEM") }, "argument.roots"},
		"roots cut off": {func(o *capelib.VerifyOptions) { o.AttestationRoots = root[:len(root)/2] }, "argument.roots"},
		"roots a key": {func(o *capelib.VerifyOptions) {
			o.AttestationRoots = bytes.ReplaceAll(root, []byte("CERTIFICATE"), []byte("PRIVATE KEY"))
		}, "argument.roots"},
		"empty nonce":     {func(o *capelib.VerifyOptions) { o.Nonce = []byte{} }, "argument.options"},
		"long nonce":      {func(o *capelib.VerifyOptions) { o.Nonce = make([]byte, 1025) }, "argument.options"},
		"two times":       {func(o *capelib.VerifyOptions) { o.AtDocumentTime = true }, "argument.options"},
		"negative length": {func(o *capelib.VerifyOptions) { o.PublicKeyLength = -1 }, "argument.options"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := acceptingGood(t)
			c.change(&o)
			report, err := capelib.Verify(readVector(t, "good.bin"), o)
			failure := wantError(t, err, capelib.CodeArgument, c.reason)
			if report != nil || failure.Report != nil {
				t.Errorf("there is a report: %+v", report)
			}
		})
	}
}

func TestVerifyAcceptsAGoodDocument(t *testing.T) {
	t.Parallel()
	report, err := capelib.Verify(readVector(t, "good.bin"), acceptingGood(t))
	if err != nil {
		t.Fatal(err)
	}
	if report.Verdict != "accepted" || report.Reason != "" || report.ModuleID == "" || report.TimestampMS != goodSigned.UnixMilli() {
		t.Errorf("%+v", report)
	}
	o := acceptingGood(t)
	o.Time, o.AtDocumentTime = time.Time{}, true
	if report, err = capelib.Verify(readVector(t, "good.bin"), o); err != nil || report.VerifiedAt != report.Timestamp {
		t.Errorf("at its own time: %+v, %v", report, err)
	}
}

func TestVerifyRefusesWithAReport(t *testing.T) {
	t.Parallel()
	pcr0, err := hex.DecodeString(strings.Repeat("5a", 48))
	if err != nil {
		t.Fatal(err)
	}
	for reason, c := range map[string]struct {
		change    func(*capelib.VerifyOptions)
		code      capelib.Code
		authentic bool
	}{
		"chain.root":                 {func(o *capelib.VerifyOptions) { o.AttestationRoots = nil }, capelib.CodeAttestation, false},
		"chain.expired":              {func(o *capelib.VerifyOptions) { o.Time, o.Nonce = goodSigned.AddDate(0, 0, 3), nil }, capelib.CodeAttestation, false},
		"time.clock_skew":            {func(o *capelib.VerifyOptions) { o.Time = goodSigned.AddDate(0, 0, 3) }, capelib.CodeAttestation, true},
		"time.future":                {func(o *capelib.VerifyOptions) { o.Time, o.Nonce = goodSigned.Add(-6*time.Second), nil }, capelib.CodeAttestation, true},
		"nonce.mismatch":             {func(o *capelib.VerifyOptions) { o.Nonce = goodNonce[1:] }, capelib.CodeAttestation, true},
		"document.public_key_length": {func(o *capelib.VerifyOptions) { o.PublicKeyLength = 33 }, capelib.CodeAttestation, false},
		"policy.pcr_mismatch":        {func(o *capelib.VerifyOptions) { o.Policy = &capelib.Policy{PCRs: map[int][][]byte{0: {pcr0}}} }, capelib.CodePolicy, true},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			o := acceptingGood(t)
			c.change(&o)
			report, err := capelib.Verify(readVector(t, "good.bin"), o)
			failure := wantError(t, err, c.code, reason)
			if report == nil || failure.Report != report || report.Verdict != "refused" || report.Reason != reason {
				t.Fatalf("the report %+v", report)
			}
			if failure.Message != report.Cause+": "+report.Remedy {
				t.Errorf("the error says %q, the report %q and %q", failure.Message, report.Cause, report.Remedy)
			}
			if report.ModuleID != "" || (report.PCRs != nil) != c.authentic || (report.TimestampMS != 0) != c.authentic {
				t.Errorf("the report shows %q, PCRs %v and timestamp %d", report.ModuleID, report.PCRs, report.TimestampMS)
			}
		})
	}
}

func TestVerifyJudgesEachDocumentByItselfWhenManyRunAtOnce(t *testing.T) {
	t.Parallel()
	good := readVector(t, "good.bin")
	tampered := bytes.Clone(good)
	tampered[len(tampered)-1] ^= 1
	o := acceptingGood(t)
	var running sync.WaitGroup
	for i := range 40 {
		running.Go(func() {
			if i%2 == 0 {
				if _, err := capelib.Verify(good, o); err != nil {
					t.Errorf("the good document: %v", err)
				}
			} else if _, err := capelib.Verify(tampered, o); capelib.AsError(err) == nil || capelib.AsError(err).Reason != "signature.invalid" {
				t.Errorf("the tampered document: %v", err)
			}
		})
	}
	running.Wait()
}
