package attest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func reasonOf(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var fault *Error
	if !errors.As(err, &fault) {
		t.Fatalf("an error of type %T: %v", err, err)
	}
	checkSentences(t, fault)
	if fault.Step != "" && strings.HasPrefix(fault.Reason, "argument.") {
		t.Errorf("a parameter fails step %s", fault.Step)
	}
	return fault.Reason
}

func TestParsePolicyReadsEveryField(t *testing.T) {
	t.Parallel()
	value := strings.Repeat("aB", 48)
	p, err := ParsePolicy(fmt.Appendf(nil, `{"pcrs":{"0":[%q,%q],"31":%q},"function_checksum":%q,"key_checksum":%q,
		"max_age_ms":1500,"future_skew_ms":250,"allow_debug":true,"any":false,
		"releases":[{"name":"1.0","pcrs":{"8":%q},"not_after":"2027-01-31T00:00:00+01:00"},{"name":"1.1","pcrs":{"8":[%q]}}]}`,
		value, value[:64], value, value[:64], value[:64], value, value))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.PCRs) != 2 || len(p.PCRs[0]) != 2 || hex.EncodeToString(p.PCRs[0][1]) != strings.ToLower(value[:64]) || len(p.PCRs[31]) != 1 {
		t.Errorf("%v", p.PCRs)
	}
	if len(p.FunctionChecksum) != 32 || len(p.KeyChecksum) != 32 || p.MaxAge != 1500*time.Millisecond || p.FutureSkew != 250*time.Millisecond || !p.AllowDebug || p.Any {
		t.Errorf("%+v", p)
	}
	if len(p.Releases) != 2 || p.Releases[0].Name != "1.0" || !p.Releases[0].NotAfter.Equal(time.Date(2027, 1, 30, 23, 0, 0, 0, time.UTC)) || !p.Releases[1].NotAfter.IsZero() {
		t.Errorf("%+v", p.Releases)
	}
}

func TestParsePolicyTakesAnyInBothForms(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`"any"`, ` "\u0061ny" `, `{"any":true}`, `{"any":true,"max_age_ms":5,"allow_debug":false,"pcrs":{},"releases":[]}`} {
		if p, err := ParsePolicy([]byte(text)); err != nil || !p.Any || p.AllowDebug {
			t.Errorf("%s: %+v, %v", text, p, err)
		}
	}
}

func TestParsePolicyRefusesWhatIsNotClear(t *testing.T) {
	t.Parallel()
	pcr, sum := strings.Repeat("ab", 48), strings.Repeat("ab", 32)
	for text, want := range map[string]string{
		``: "argument.policy", `any`: "argument.policy", `"Any"`: "argument.policy", `"none"`: "argument.policy", `""`: "argument.policy",
		`null`: "argument.policy", `true`: "argument.policy", `[]`: "argument.policy", `["any"]`: "argument.policy", `1`: "argument.policy",
		`{}`: "argument.policy_empty", `{"any":false}`: "argument.policy_empty", `{"pcrs":{}}`: "argument.policy_empty",
		`{"max_age_ms":5000}`: "argument.policy_empty", `{"allow_debug":true}`: "argument.policy_empty", `{"releases":[]}`: "argument.policy_empty",
		`{"any":true,"pcrs":{"0":"` + pcr + `"}}`:        "argument.policy",
		`{"any":true,"function_checksum":"` + sum + `"}`: "argument.policy",
		`{"any":null}`:            "argument.policy",
		`{"any":1}`:               "argument.policy",
		`{"ANY":true}`:            "argument.policy",
		`{"any":true,"any":true}`: "argument.policy",
		`{"any":true,"more":1}`:   "argument.policy",
		`{"any":true}{}`:          "argument.policy",
		`{"pcrs":null,"function_checksum":"` + sum + `"}`:         "argument.policy",
		`{"pcrs":{"0":null},"function_checksum":"` + sum + `"}`:   "argument.policy",
		`{"pcrs":{"0":[null]},"function_checksum":"` + sum + `"}`: "argument.policy",
		`{"pcrs":{"0":[]}}`:                                                 "argument.policy",
		`{"pcrs":{"0":""}}`:                                                 "argument.policy",
		`{"pcrs":{"0":1}}`:                                                  "argument.policy",
		`{"pcrs":{"0":{"0":"` + pcr + `"}}}`:                                "argument.policy",
		`{"pcrs":["` + pcr + `"]}`:                                          "argument.policy",
		`{"pcrs":{"0":"` + pcr[1:] + `"}}`:                                  "argument.policy",
		`{"pcrs":{"0":"` + pcr[2:] + `"}}`:                                  "argument.policy",
		`{"pcrs":{"0":"0x` + pcr[2:] + `"}}`:                                "argument.policy",
		`{"pcrs":{"0":" ` + pcr + `"}}`:                                     "argument.policy",
		`{"pcrs":{"00":"` + pcr + `"}}`:                                     "argument.policy",
		`{"pcrs":{"+0":"` + pcr + `"}}`:                                     "argument.policy",
		`{"pcrs":{"-1":"` + pcr + `"}}`:                                     "argument.policy",
		`{"pcrs":{"32":"` + pcr + `"}}`:                                     "argument.policy",
		`{"pcrs":{"PCR0":"` + pcr + `"}}`:                                   "argument.policy",
		`{"pcrs":{"":"` + pcr + `"}}`:                                       "argument.policy",
		`{"pcrs":{"0":"` + pcr + `","0":"` + pcr + `"}}`:                    "argument.policy",
		`{"function_checksum":""}`:                                          "argument.policy",
		`{"function_checksum":null}`:                                        "argument.policy",
		`{"function_checksum":"` + sum[2:] + `"}`:                           "argument.policy",
		`{"function_checksum":"` + pcr + `"}`:                               "argument.policy",
		`{"function_checksum":["` + sum + `"]}`:                             "argument.policy",
		`{"key_checksum":"zz"}`:                                             "argument.policy",
		`{"any":true,"max_age_ms":0}`:                                       "argument.policy",
		`{"any":true,"max_age_ms":-1}`:                                      "argument.policy",
		`{"any":true,"max_age_ms":1.5}`:                                     "argument.policy",
		`{"any":true,"max_age_ms":"5000"}`:                                  "argument.policy",
		`{"any":true,"max_age_ms":9223372036854775807}`:                     "argument.policy",
		`{"any":true,"future_skew_ms":-1}`:                                  "argument.policy",
		`{"any":true,"future_skew_ms":9300000000000}`:                       "argument.policy",
		`{"any":true,"allow_debug":"yes"}`:                                  "argument.policy",
		`{"releases":[{}]}`:                                                 "argument.policy",
		`{"releases":[null]}`:                                               "argument.policy",
		`{"releases":{}}`:                                                   "argument.policy",
		`{"releases":[{"name":"a"}]}`:                                       "argument.policy",
		`{"releases":[{"name":"a","pcrs":{}}]}`:                             "argument.policy",
		`{"releases":[{"pcrs":{"0":"` + pcr + `"}}]}`:                       "argument.policy",
		`{"releases":[{"name":"a","pcrs":{"0":"` + pcr + `"},"any":true}]}`: "argument.policy",
		`{"releases":[{"name":"a","pcrs":{"0":"` + pcr + `"},"not_after":"tomorrow"}]}`:                        "argument.policy",
		`{"releases":[{"name":"a","pcrs":{"0":"` + pcr + `"},"not_after":"2027-01-31"}]}`:                      "argument.policy",
		`{"releases":[{"name":"a","pcrs":{"0":"` + pcr + `"}},{"name":"a","pcrs":{"1":"` + pcr + `"}}]}`:       "argument.policy",
		`{"any":true,"releases":[{"name":"a","pcrs":{"0":"` + pcr + `"}}]}`:                                    "argument.policy",
		`{"releases":[{"name":"a","pcrs":{"0":"` + pcr + `"}}],"pcrs":{"1":` + strings.Repeat("[", 40) + `]}}`: "argument.policy",
		strings.Repeat(`{"pcrs":`, 40) + `1` + strings.Repeat(`}`, 40):                                         "argument.policy",
		"{\"any\":true,\"x\xff\":1}": "argument.policy",
	} {
		p, err := ParsePolicy([]byte(text))
		if got := reasonOf(t, err); got != want || p != nil {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestPolicyCheckRefusesPoliciesMadeInGo(t *testing.T) {
	t.Parallel()
	pcr := [][]byte{make([]byte, 48)}
	for name, test := range map[string]struct {
		policy Policy
		want   string
	}{
		"zero value":               {Policy{}, "argument.policy_empty"},
		"empty map":                {Policy{PCRs: map[int][][]byte{}}, "argument.policy_empty"},
		"any":                      {Policy{Any: true}, ""},
		"one PCR":                  {Policy{PCRs: map[int][][]byte{0: pcr}}, ""},
		"any and a PCR":            {Policy{Any: true, PCRs: map[int][][]byte{0: pcr}}, "argument.policy"},
		"no values":                {Policy{PCRs: map[int][][]byte{0: nil}}, "argument.policy"},
		"negative index":           {Policy{PCRs: map[int][][]byte{-1: pcr}}, "argument.policy"},
		"index 32":                 {Policy{PCRs: map[int][][]byte{32: pcr}}, "argument.policy"},
		"short value":              {Policy{PCRs: map[int][][]byte{0: {make([]byte, 47)}}}, "argument.policy"},
		"empty checksum":           {Policy{FunctionChecksum: []byte{}}, "argument.policy"},
		"short checksum":           {Policy{KeyChecksum: make([]byte, 31)}, "argument.policy"},
		"negative age":             {Policy{Any: true, MaxAge: -1}, "argument.policy"},
		"no skew":                  {Policy{Any: true, FutureSkew: -1}, ""},
		"release without a name":   {Policy{Releases: []Release{{PCRs: map[int][][]byte{0: pcr}}}}, "argument.policy"},
		"release without PCRs":     {Policy{Releases: []Release{{Name: "a"}}}, "argument.policy"},
		"release of a bad PCR":     {Policy{Releases: []Release{{Name: "a", PCRs: map[int][][]byte{0: {nil}}}}}, "argument.policy"},
		"two releases of one name": {Policy{Releases: []Release{{Name: "a", PCRs: map[int][][]byte{0: pcr}}, {Name: "a", PCRs: map[int][][]byte{0: pcr}}}}, "argument.policy"},
	} {
		err := test.policy.Check()
		if got := reasonOf(t, err); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		_, report, verifyErr := Verify(goodDocument(t), Options{Roots: testRoots(), Time: signedAt, Policy: &test.policy})
		if got := reasonOf(t, verifyErr); test.want != "" && (got != test.want || report.Reason != test.want) {
			t.Errorf("%s: Verify says %q", name, got)
		}
	}
}
