package attest

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// The verdicts of a report.
const (
	Accepted = "accepted"
	Refused  = "refused"
)

// The steps of a verification, in order.
const (
	StepParse     = "parse"
	StepSignature = "signature"
	StepChain     = "chain"
	StepTime      = "time"
	StepNonce     = "nonce"
	StepPolicy    = "policy"
)

// The statuses of a step.
const (
	StatusOK         = "ok"
	StatusFailed     = "failed"
	StatusNotReached = "not_reached"
)

var stepNames = [...]string{StepParse, StepSignature, StepChain, StepTime, StepNonce, StepPolicy}

// Report says how far a document came and why it was refused. As JSON it is the same from every
// language, with the field names given here; absent fields are left out.
type Report struct {
	Verdict string `json:"verdict"`          // Accepted or Refused
	Reason  string `json:"reason,omitempty"` // as in Error, empty when accepted; likewise these two:
	Cause   string `json:"cause,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
	Steps   []Step `json:"steps"` // all six, in order

	VerifiedAt string `json:"verified_at,omitempty"` // RFC 3339: the time at which validity was judged

	// Known once signature and chain hold, also on a refusal.
	Timestamp   string            `json:"timestamp,omitempty"`    // RFC 3339 with milliseconds, UTC, as signed
	TimestampMS int64             `json:"timestamp_ms,omitempty"` // the same in milliseconds since 1970
	PCRs        map[string]string `json:"pcrs,omitempty"`         // decimal index to lower-case hex
	RootSHA256  string            `json:"root_sha256,omitempty"`  // hex, of the root's DER
	// ClockSkewSeconds is local time less signed timestamp, where that speaks of a clock that is
	// wrong: positive when the local clock is ahead. It is rounded towards zero.
	ClockSkewSeconds *int64 `json:"clock_skew_seconds,omitempty"`

	// Known when accepted only.
	ModuleID         string   `json:"module_id,omitempty"`
	FunctionChecksum string   `json:"function_checksum,omitempty"` // hex, where user_data has one
	Release          string   `json:"release,omitempty"`           // the policy's release that matched
	DebugMode        bool     `json:"debug_mode,omitempty"`        // accepted because the policy allows debug
	UnknownKeys      []string `json:"unknown_keys,omitempty"`      // members that this version does not know
}

// Step is one step of a verification.
type Step struct {
	Step   string `json:"step"`
	Status string `json:"status"` // StatusOK, StatusFailed or StatusNotReached
	Reason string `json:"reason,omitempty"`
	Cause  string `json:"cause,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	Detail string `json:"detail,omitempty"` // more about a step that is ok, for people
}

func newReport() *Report {
	r := &Report{Verdict: Refused, Steps: make([]Step, len(stepNames))}
	for i, name := range stepNames {
		r.Steps[i] = Step{Step: name, Status: StatusNotReached}
	}
	return r
}

func (r *Report) ok(step, detail string) {
	for i := range r.Steps {
		if r.Steps[i].Step == step {
			r.Steps[i].Status, r.Steps[i].Detail = StatusOK, detail
		}
	}
}

// refuse enters an error and returns a copy of it, which its receiver may change.
func (r *Report) refuse(err *Error) *Error {
	own := *err
	r.Verdict, r.Reason, r.Cause, r.Remedy = Refused, err.Reason, err.Cause, err.Remedy
	for i := range r.Steps {
		if r.Steps[i].Step == err.Step {
			r.Steps[i] = Step{Step: err.Step, Status: StatusFailed, Reason: err.Reason, Cause: err.Cause, Remedy: err.Remedy}
		}
	}
	return &own
}

// authentic enters what may be known of a document whose signature and chain hold.
func (r *Report) authentic(p *payload, rootSHA256 []byte) {
	r.Timestamp = formatTime(p.timestamp)
	r.TimestampMS = p.timestamp.UnixMilli()
	r.PCRs = make(map[string]string, len(p.pcrs))
	var text strings.Builder // of which each value is a part
	text.Grow(2 * maxPCRSize * len(p.pcrs))
	for index, value := range p.pcrs {
		start := text.Len()
		for _, b := range value {
			text.WriteByte(hexDigits[b>>4])
			text.WriteByte(hexDigits[b&15])
		}
		r.PCRs[strconv.Itoa(index)] = text.String()[start:]
	}
	r.RootSHA256 = hex.EncodeToString(rootSHA256)
}

const hexDigits = "0123456789abcdef"

func formatTime(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
