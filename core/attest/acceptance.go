package attest

import (
	"crypto/subtle"
	"fmt"
	"slices"
	"time"
)

const remedyPCRs = "if you trust this build, pin the PCRs in the report; if not, do not use the enclave"

// accept applies the policy to an authentic document, of whose user_data it is given what was
// made out, and returns the release that matched.
func (p *Policy) accept(doc *payload, stated userData, unread *Error, at time.Time) (release string, err *Error) {
	if index := debugPCR(doc.pcrs); index >= 0 && !p.AllowDebug {
		cause := fmt.Sprintf("the enclave runs in debug mode, as PCR%d is zero: its host can read its console", index)
		if doc.pcrs[index] == nil {
			cause = fmt.Sprintf("PCR%d is not in the document, so the enclave may run in debug mode", index)
		}
		return "", policyRefusal("policy.debug_mode", cause, "start the enclave without debug mode, or allow debug by name in the policy")
	}
	if diff := compare(p.PCRs, doc.pcrs); !diff.empty() {
		return "", diff.refusal("")
	}
	if release, err = p.matchRelease(doc, at); err != nil {
		return "", err
	}
	return release, p.acceptChecksums(stated, unread)
}

// debugPCR returns which of PCR0 to PCR2 is zero, as those of an enclave in debug mode are, or is
// not there to tell; -1 for none.
func debugPCR(pcrs map[int][]byte) int {
	for index := range 3 {
		if !slices.ContainsFunc(pcrs[index], func(b byte) bool { return b != 0 }) {
			return index
		}
	}
	return -1
}

func (p *Policy) matchRelease(doc *payload, at time.Time) (string, *Error) {
	if len(p.Releases) == 0 {
		return "", nil
	}
	var nearest *difference
	var nearestName, expired string
	for _, release := range p.Releases {
		diff := compare(release.PCRs, doc.pcrs)
		ended := !release.NotAfter.IsZero() && at.After(release.NotAfter)
		switch {
		case diff.empty() && !ended:
			return release.Name, nil
		case diff.empty():
			expired = release.Name
		case nearest == nil || diff.count() < nearest.count():
			nearest, nearestName = diff, release.Name
		}
	}
	if expired != "" {
		return "", policyRefusal("policy.release_expired", fmt.Sprintf("the enclave runs release %s, which the policy accepts no longer", quoteName(expired)),
			"update the enclave, or extend the release's not_after")
	}
	return "", nearest.refusal(fmt.Sprintf("no release matches, nearest is %s: ", quoteName(nearestName)))
}

func (p *Policy) acceptChecksums(stated userData, unread *Error) *Error {
	if p.FunctionChecksum == nil && p.KeyChecksum == nil {
		return nil
	}
	if unread != nil {
		return unread
	}
	for _, check := range []struct {
		pinned, stated []byte
		what, reason   string
	}{
		{p.FunctionChecksum, stated.functionChecksum, "function's checksum", "policy.function_checksum"},
		{p.KeyChecksum, stated.keyChecksum, "key policy's checksum", "policy.key_checksum"},
	} {
		switch {
		case check.pinned == nil:
		case check.stated == nil:
			return policyRefusal(check.reason+"_missing", "the document states no "+check.what+", which the policy pins",
				"ask for the document on the route of the function, or leave the checksum out of the policy")
		case subtle.ConstantTimeCompare(check.pinned, check.stated) != 1:
			return policyRefusal(check.reason, fmt.Sprintf("the %s is not the one that the policy pins, %x", check.what, check.pinned),
				"if you trust what is deployed, pin its checksum; if not, do not use it")
		}
	}
	return nil
}

func policyRefusal(reason, cause, remedy string) *Error {
	return &Error{StepPolicy, reason, cause, remedy}
}

// difference is how a document's PCRs compare to the pinned ones: sorted indices.
type difference struct {
	differ, same, missing []int
	sizes                 bool   // a value differs already in its length
	debug                 bool   // the enclave runs in debug mode
	value                 []byte // the enclave's, of the first that differs
}

// compare looks at every pinned value in constant time.
func compare(pins map[int][][]byte, pcrs map[int][]byte) *difference {
	d := &difference{debug: len(pins) > 0 && debugPCR(pcrs) >= 0}
	for index, values := range pins {
		value, ok := pcrs[index]
		if !ok {
			d.missing = append(d.missing, index)
			continue
		}
		equal, sized := 0, false
		for _, pinned := range values {
			equal |= subtle.ConstantTimeCompare(pinned, value)
			sized = sized || len(pinned) == len(value)
		}
		if equal == 1 {
			d.same = append(d.same, index)
		} else {
			d.differ = append(d.differ, index)
			d.sizes = d.sizes || !sized
		}
	}
	slices.Sort(d.differ)
	slices.Sort(d.same)
	slices.Sort(d.missing)
	if len(d.differ) > 0 {
		d.value = pcrs[d.differ[0]]
	}
	return d
}

// remedy names the value to pin, where one register tells the build.
func (d *difference) remedy() string {
	if d.debug || len(d.value) == 0 {
		return remedyPCRs
	}
	return fmt.Sprintf("if you trust the build with PCR%d %x, pin that; if not, do not use the enclave", d.differ[0], d.value)
}

func (d *difference) empty() bool { return d.count() == 0 }
func (d *difference) count() int  { return len(d.differ) + len(d.missing) }

func (d *difference) refusal(prefix string) *Error {
	if len(d.differ) == 0 {
		return policyRefusal("policy.pcr_missing", prefix+verb(d.missing, "is", "are")+" not in the document", remedyPCRs)
	}
	return policyRefusal("policy.pcr_mismatch", prefix+d.explain(), d.remedy())
}
