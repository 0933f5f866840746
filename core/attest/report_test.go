package attest

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

// checkReport holds for the report of any verification.
func checkReport(t *testing.T, report *Report, err error) {
	t.Helper()
	if len(report.Steps) != 6 {
		t.Fatalf("%d steps", len(report.Steps))
	}
	var fault *Error
	if err != nil && !errors.As(err, &fault) {
		t.Fatalf("an error of type %T", err)
	}
	reached := true
	for i, step := range report.Steps {
		if step.Step != stepNames[i] {
			t.Errorf("step %d is %s", i, step.Step)
		}
		want := StatusNotReached
		switch {
		case fault == nil:
			want = StatusOK
		case fault.Step == step.Step:
			want, reached = StatusFailed, false
			if step.Reason != fault.Reason || step.Cause != fault.Cause || step.Remedy != fault.Remedy {
				t.Errorf("the failed step says %+v", step)
			}
		case fault.Step != "" && reached:
			want = StatusOK
		}
		if step.Status != want {
			t.Errorf("step %s is %s, want %s", step.Step, step.Status, want)
		}
	}
	authentic := report.Steps[2].Status == StatusOK
	if (len(report.PCRs) > 0) != authentic || (report.TimestampMS != 0) != authentic || (report.Timestamp != "") != authentic || (report.RootSHA256 != "") != authentic {
		t.Errorf("chain is %s, but of the document it shows %v, %s", report.Steps[2].Status, report.PCRs, report.Timestamp)
	}
	if fault == nil {
		if report.Verdict != Accepted || report.ModuleID == "" || report.Reason+report.Cause+report.Remedy != "" {
			t.Errorf("accepted, but %+v", report)
		}
	} else {
		if report.Verdict != Refused || report.Reason != fault.Reason || report.Cause != fault.Cause || report.Remedy != fault.Remedy {
			t.Errorf("refused with %v, but %+v", fault, report)
		}
		if report.ModuleID+report.FunctionChecksum+report.Release != "" || report.UnknownKeys != nil || report.DebugMode {
			t.Errorf("refused, and still shows content: %+v", report)
		}
		checkSentences(t, fault)
	}
	if _, err := json.Marshal(report); err != nil {
		t.Error(err)
	}
}

// checkSentences holds for each error text.
func checkSentences(t *testing.T, err *Error) {
	t.Helper()
	for _, text := range []string{err.Cause, err.Remedy} {
		if text == "" || strings.HasSuffix(text, ".") || strings.ContainsAny(text, "\n\r\t") {
			t.Errorf("not one plain sentence: %q", text)
		}
		if first := text[0]; first >= 'A' && first <= 'Z' && !strings.HasPrefix(text, "PCR") {
			t.Errorf("not lower case: %q", text)
		}
	}
	if len(err.Error()) > 400 {
		t.Errorf("%d bytes of text", len(err.Error()))
	}
	class, _, _ := strings.Cut(err.Reason, ".")
	classes := []string{"argument", "parse", "cbor", "cose", "document", "signature", "chain", "time", "nonce", "policy"}
	if !slices.Contains(classes, class) || len(err.Reason) > 63 {
		t.Errorf("reason %q", err.Reason)
	}
}
