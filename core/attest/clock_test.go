package attest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestAWrongClockIsToldFromAnExpiredCertificate(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	document := goodDocument(t)
	for name, test := range map[string]struct {
		late   time.Duration // local time less signed timestamp
		nonce  []byte
		policy Policy
		reason string
		cause  string
		skew   int64 // 0: none in the report
	}{
		"fresh, clock ahead": {3*day + 999*time.Millisecond, testNonce, Policy{Any: true}, "time.clock_skew",
			"the local clock is 259200 seconds ahead of the enclave's, which stamped this fresh document", 259200},
		"fresh, clock behind": {-day, testNonce, Policy{Any: true}, "time.clock_skew",
			"the local clock is 86400 seconds behind the enclave's, which stamped this fresh document", -86400},
		"fresh, clock a little behind": {-7 * time.Second, testNonce, Policy{Any: true}, "time.clock_skew",
			"the local clock is 7 seconds behind the enclave's, which stamped this fresh document", -7},
		"fresh, too old": {90 * time.Second, testNonce, Policy{Any: true, MaxAge: time.Minute}, "time.too_old",
			"the document was signed 90 seconds ago and the policy allows 60 seconds", 90},
		"too old": {time.Minute + time.Second/2, nil, Policy{Any: true, MaxAge: time.Minute}, "time.too_old",
			"the document was signed 60.5 seconds ago and the policy allows 60 seconds", 0},
		"old": {3 * day, nil, Policy{Any: true}, "chain.expired",
			"the enclave's certificate expired at 2026-06-01T15:00:00Z, 250200 seconds before the time of verification", 0},
		"a second late": {2*time.Hour + 30*time.Minute + 750*time.Millisecond, nil, Policy{Any: true}, "chain.expired",
			"the enclave's certificate expired at 2026-06-01T15:00:00Z, 1 second before the time of verification", 0},
		"early": {-day, nil, Policy{Any: true}, "chain.not_yet_valid",
			"the enclave's certificate is valid from 2026-06-01T12:00:00Z, 84599 seconds after the time of verification", 0},
		"ahead": {-7 * time.Second, nil, Policy{Any: true}, "time.future",
			"the document was signed 7 seconds after the time of verification", -7},
		"ahead, and none allowed": {-250 * time.Millisecond, nil, Policy{Any: true, FutureSkew: -1}, "time.future",
			"the document was signed 250 ms after the time of verification", 0},
		"ahead as far as allowed": {-time.Minute, nil, Policy{Any: true, FutureSkew: time.Minute}, "", "", 0},
		"as old as allowed":       {time.Minute, nil, Policy{Any: true, MaxAge: time.Minute}, "", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, report, err := Verify(document, Options{
				Roots: testRoots(), Time: signedAt.Add(test.late), Nonce: test.nonce, Policy: &test.policy,
			})
			checkReport(t, report, err)
			if report.Reason != test.reason || report.Cause != test.cause {
				t.Fatalf("%s: %s; want %s: %s", report.Reason, report.Cause, test.reason, test.cause)
			}
			var skew int64
			if report.ClockSkewSeconds != nil {
				skew = *report.ClockSkewSeconds
			}
			if skew != test.skew {
				t.Errorf("clock skew %d, want %d", skew, test.skew)
			}
		})
	}
}

func TestVerifyUsesTheSystemClockWhereNoTimeIsGiven(t *testing.T) {
	t.Parallel()
	plans := awsPlan()
	now := time.Now().Truncate(time.Second)
	plans[root].template.NotAfter = now.AddDate(10, 0, 0)
	for _, plan := range plans[regional:] {
		plan.template.NotBefore, plan.template.NotAfter = now.Add(-time.Hour), now.Add(time.Hour)
	}
	chain := issue(t, plans)
	d := newDraft(chain, plans[leaf].key)
	d.set("timestamp", cborUint(int(now.UnixMilli())))
	options := Options{Roots: chain[:1], Nonce: testNonce, Policy: &Policy{Any: true, MaxAge: time.Minute}}
	if _, _, err := Verify(d.document(t), options); err != nil {
		t.Error(err)
	}
	if _, report, err := Verify(goodDocument(t), Options{Roots: testRoots(), Policy: &Policy{Any: true}}); err == nil || !strings.HasPrefix(report.Reason, "chain.") {
		t.Errorf("a document of 2026-06-01 is taken for one of today: %v", err)
	}
}

func TestTheReportIsStableJSON(t *testing.T) {
	t.Parallel()
	options := goodOptions()
	_, report, err := Verify(goodDocument(t), options)
	if err != nil {
		t.Fatal(err)
	}
	report.PCRs = map[string]string{"0": report.PCRs["0"]}
	got, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"verdict":"accepted","steps":[{"step":"parse","status":"ok"},` +
		`{"step":"signature","status":"ok","detail":"ES384"},` +
		`{"step":"chain","status":"ok","detail":"5 certificates from the pinned root"},` +
		`{"step":"time","status":"ok","detail":"signed 2 seconds before"},` +
		`{"step":"nonce","status":"ok","detail":"the one asked for"},` +
		`{"step":"policy","status":"ok","detail":"PCR0, PCR1 and PCR2 are as pinned, function's checksum as pinned, key policy's checksum as pinned"}],` +
		`"verified_at":"2026-06-01T12:30:02.250Z","timestamp":"2026-06-01T12:30:00.250Z","timestamp_ms":1780317000250,` +
		`"pcrs":{"0":"991c6acc7df14908722b2b1250b10fca807363911c569df89caafb8b35250afa726eaf1ca98ec34fa3a77a4349596648"},` +
		`"root_sha256":"ROOT","module_id":"i-0123456789abcdef0-enc0123456789abcdef",` +
		`"function_checksum":"f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1"}`
	if text := strings.Replace(string(got), report.RootSHA256, "ROOT", 1); text != want || len(report.RootSHA256) != 64 {
		t.Errorf("%s\nwant %s", got, want)
	}

	options.Policy = nil
	_, report, _ = Verify(goodDocument(t), options)
	if got, err = json.Marshal(report); err != nil {
		t.Fatal(err)
	}
	const refused = `{"verdict":"refused","reason":"argument.policy_missing","cause":"no policy was given",` +
		`"remedy":"say which PCRs or checksum to accept, or \"any\"","steps":[` +
		`{"step":"parse","status":"not_reached"},{"step":"signature","status":"not_reached"},{"step":"chain","status":"not_reached"},` +
		`{"step":"time","status":"not_reached"},{"step":"nonce","status":"not_reached"},{"step":"policy","status":"not_reached"}]}`
	if string(got) != refused {
		t.Errorf("%s\nwant %s", got, refused)
	}
}
