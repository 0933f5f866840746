// Package verify judges the same documents in every language. Verdict, code, reason and the whole
// report have to be the same in each. It needs what `make build` and `make bindings` leave.
package verify

import (
	"reflect"
	"testing"
)

// languages are all but Go, which the others are compared with.
var languages = map[string]struct {
	verify func(*testing.T, []job) []answer
	jobs   func(*testing.T, []job) []job // those that it can be given; nil: all
}{
	"C":            {verify: inC},
	"Python":       {verify: inPython},
	"Node":         {verify: inNode},
	"command line": {verify: onCommandLine, jobs: commandJobs},
}

func TestEveryLanguageGivesTheSameReport(t *testing.T) {
	t.Parallel()
	jobs := allJobs(t)
	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		for i, got := range inGo(t, jobs) {
			checkExpected(t, jobs[i], got)
		}
	})
	for name, language := range languages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jobs := jobs
			if language.jobs != nil {
				jobs = language.jobs(t, jobs)
			}
			answers, want := language.verify(t, jobs), inGo(t, jobs)
			if len(answers) != len(jobs) {
				t.Fatalf("%d answers to %d documents", len(answers), len(jobs))
			}
			for i, got := range answers {
				checkExpected(t, jobs[i], got)
				if !reflect.DeepEqual(got, want[i]) {
					t.Errorf("%s: got %+v\nwhile Go has %+v", jobs[i].name, got, want[i])
				}
			}
		})
	}
}

// allJobs says when there are fewer than there could be.
func allJobs(t *testing.T) []job {
	t.Helper()
	jobs := ownJobs(t)
	if len(jobs) < 100 {
		t.Errorf("the project carries only %d documents", len(jobs))
	}
	shared := sharedJobs(t)
	t.Run("documents of other publishers", func(t *testing.T) {
		if shared == nil {
			t.Skipf("left out: needs %s", sharedVectors)
		}
		if len(shared) < 64+61 {
			t.Errorf("only %d documents", len(shared))
		}
	})
	return append(jobs, shared...)
}

// checkExpected compares an answer with what the manifest expects.
func checkExpected(t *testing.T, j job, got answer) {
	t.Helper()
	verdict := "refused"
	if j.accept {
		verdict = "accepted"
	}
	if got.report["verdict"] != verdict || (got.code == 0) != j.accept {
		t.Errorf("%s: got %v with code %d (%s), want %s", j.name, got.report["verdict"], got.code, got.reason, verdict)
	}
	if inReport, _ := got.report["reason"].(string); inReport != got.reason || (got.reason == "") != j.accept {
		t.Errorf("%s: the reason is %q, and %q in the report", j.name, got.reason, inReport)
	}
	if j.reason != "" && got.reason != j.reason {
		t.Errorf("%s: the reason is %q, want %q", j.name, got.reason, j.reason)
	}
}
