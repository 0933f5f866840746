package attest

import (
	"fmt"
	"strconv"
	"time"
)

// checkClock judges the signed timestamp at a time, after the chain was found to hold but for
// validity, which is passed in. fresh says that the document answers a nonce of the caller, so
// that it was made just now, and a timestamp that is far from the local clock means that a clock
// is wrong and not that the document is old.
func checkClock(c *chain, p *payload, validity *Error, policy *Policy, at time.Time, fresh bool) *Error {
	signed := p.timestamp
	if validity != nil {
		if fresh && c.checkValidity(signed, true) == nil {
			return skewError(at, signed)
		}
		return validity
	}
	leaf := c.leaf.x509
	if signed.Before(leaf.NotBefore) || signed.After(leaf.NotAfter) {
		return &Error{StepTime, "time.outside_leaf", "the signed timestamp lies outside the validity of the enclave's certificate",
			"do not trust the document: a security module stamps it while its certificate is valid"}
	}
	skew := policy.FutureSkew
	if skew == 0 {
		skew = DefaultFutureSkew
	}
	if ahead := signed.Sub(at); ahead > max(skew, 0) {
		if fresh {
			return skewError(at, signed)
		}
		return &Error{StepTime, "time.future", fmt.Sprintf("the document was signed %s after the time of verification", seconds(ahead)),
			"check the local clock, which seems to be behind, or the time that was asked for"}
	}
	if age := at.Sub(signed); policy.MaxAge > 0 && age > policy.MaxAge {
		remedy := "fetch a fresh document, or raise the policy's max_age_ms"
		if fresh {
			remedy = "the document answers this request, so check the local clock, which may be ahead"
		}
		return &Error{StepTime, "time.too_old", fmt.Sprintf("the document was signed %s ago and the policy allows %s",
			seconds(age), seconds(policy.MaxAge)), remedy}
	}
	return nil
}

func skewError(at, signed time.Time) *Error {
	how, difference := "ahead of", at.Sub(signed)
	if difference < 0 {
		how, difference = "behind", -difference
	}
	return &Error{StepTime, "time.clock_skew",
		fmt.Sprintf("the local clock is %s %s the enclave's, which stamped this fresh document", seconds(difference), how),
		"set the local clock"}
}

// seconds writes a duration for people, to the millisecond where that is of interest.
func seconds(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d/time.Millisecond)
	case d == time.Second:
		return "1 second"
	case d < 100*time.Second:
		return strconv.FormatFloat(d.Truncate(time.Millisecond).Seconds(), 'f', -1, 64) + " seconds"
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}
