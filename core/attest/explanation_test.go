package attest

import (
	"bytes"
	"testing"
)

func TestPCRDifferencesAreExplained(t *testing.T) {
	t.Parallel()
	const same, differs, missing, longer = 's', 'd', 'm', 'l'
	for name, test := range map[string]struct {
		pins map[int]byte
		want string
	}{
		"rebuilt": {map[int]byte{0: differs, 1: same, 2: differs},
			"PCR0 and PCR2 differ, PCR1 is the same: the application was rebuilt on the same kernel"},
		"another kernel": {map[int]byte{0: differs, 1: differs, 2: same},
			"PCR0 and PCR1 differ, PCR2 is the same: the same application was put on another kernel"},
		"another image": {map[int]byte{0: differs, 1: differs, 2: differs},
			"PCR0, PCR1 and PCR2 differ: another image, in both kernel and application"},
		"image alone": {map[int]byte{0: differs}, "PCR0 differs: another image"},
		"image, of known parts": {map[int]byte{0: differs, 1: same, 2: same},
			"PCR0 differs, PCR1 and PCR2 are the same: the image was put together anew from the same kernel and application, or the pins are of different builds"},
		"application alone": {map[int]byte{2: differs}, "PCR2 differs: another application"},
		"kernel alone":      {map[int]byte{1: differs}, "PCR1 differs: another kernel"},
		"pins of two builds": {map[int]byte{0: same, 1: differs, 2: same},
			"PCR1 differs, PCR0 and PCR2 are the same: PCR0 covers all of the image, so the pins are of different builds"},
		"role":     {map[int]byte{0: same, 3: differs}, "PCR3 differs, PCR0 is the same: the parent instance has another IAM role"},
		"instance": {map[int]byte{4: differs}, "PCR4 differs: it runs on another instance"},
		"signer":   {map[int]byte{0: same, 8: differs}, "PCR8 differs, PCR0 is the same: the image is signed by another certificate, or by none"},
		"several": {map[int]byte{0: differs, 1: same, 2: differs, 3: differs, 4: differs},
			"PCR0, PCR2, PCR3 and PCR4 differ, PCR1 is the same: the application was rebuilt on the same kernel; the parent instance has another IAM role; it runs on another instance"},
		"own register":      {map[int]byte{16: differs}, "PCR16 differs"},
		"differs and lacks": {map[int]byte{2: differs, 16: missing, 17: missing}, "PCR2 differs, PCR16 and PCR17 are not in the document: another application"},
		"lacks":             {map[int]byte{0: same, 16: missing}, "PCR16 is not in the document"},
		"other hash":        {map[int]byte{0: longer}, "PCR0 differs: a pinned value has another length, and is of another hash"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pins, pcrs := make(map[int][][]byte), make(map[int][]byte)
			for index, kind := range test.pins {
				value, pinned := bytes.Repeat([]byte{1}, 48), bytes.Repeat([]byte{1}, 48)
				switch kind {
				case differs:
					pinned[47] = 2
				case longer:
					pinned = append(pinned, make([]byte, 16)...)
				}
				pins[index] = [][]byte{bytes.Repeat([]byte{9}, len(pinned)), pinned}
				if kind != missing {
					pcrs[index] = value
				}
			}
			d := compare(pins, pcrs)
			d.debug = false // as it would be with the other PCRs
			err := d.refusal("")
			if err.Cause != test.want {
				t.Errorf("%q, want %q", err.Cause, test.want)
			}
			checkSentences(t, err)
		})
	}
}

func TestTheNearestReleaseIsTheOneExplained(t *testing.T) {
	t.Parallel()
	other := [][]byte{bytes.Repeat([]byte{9}, 48)}
	options := Options{Roots: testRoots(), Time: signedAt, Policy: &Policy{Releases: []Release{
		{Name: "1.0", PCRs: map[int][][]byte{0: other, 1: other, 2: other}},
		{Name: "1.1", PCRs: map[int][][]byte{0: other, 1: {testPCR(1)}, 2: other}},
		{Name: "1.2", PCRs: map[int][][]byte{0: other, 1: other, 2: other}},
	}}}
	_, report, err := Verify(goodDocument(t), options)
	const want = `no release matches, nearest is "1.1": PCR0 and PCR2 differ, PCR1 is the same: the application was rebuilt on the same kernel`
	if err == nil || report.Cause != want {
		t.Errorf("%q, want %q", report.Cause, want)
	}
}

func TestDebugModeIsWhatExplainsZeroPCRs(t *testing.T) {
	t.Parallel()
	d := newDraft(plainChain(), awsPlan()[leaf].key)
	zero := cborBytes(make([]byte, 48))
	d.set("pcrs", cborMap(cborUint(0), zero, cborUint(1), zero, cborUint(2), zero, cborUint(3), cborBytes(testPCR(3))))
	document := d.document(t)
	for pinned, want := range map[int]string{
		0: "PCR0 differs: the enclave runs in debug mode, in which PCR0 to PCR2 are zero",
		3: "PCR3 differs: the parent instance has another IAM role",
	} {
		policy := &Policy{AllowDebug: true, PCRs: map[int][][]byte{pinned: {testPCR(4)}}}
		if _, report, _ := Verify(document, Options{Roots: testRoots(), Time: signedAt, Policy: policy}); report.Cause != want {
			t.Errorf("%q, want %q", report.Cause, want)
		}
		policy.AllowDebug = false
		if _, report, _ := Verify(document, Options{Roots: testRoots(), Time: signedAt, Policy: policy}); report.Reason != "policy.debug_mode" {
			t.Errorf("%q", report.Reason)
		}
	}
}
