package attest

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// maxPolicyMS bounds durations, at a hundred years, far from where a time.Duration overflows.
const maxPolicyMS = 100 * 365 * 24 * 3600 * 1000

// policyJSON is a policy as people write it.
type policyJSON struct {
	Any              bool                       `json:"any"`
	PCRs             map[string]json.RawMessage `json:"pcrs"`
	FunctionChecksum *string                    `json:"function_checksum"`
	KeyChecksum      *string                    `json:"key_checksum"`
	MaxAgeMS         *int64                     `json:"max_age_ms"`
	FutureSkewMS     *int64                     `json:"future_skew_ms"`
	AllowDebug       bool                       `json:"allow_debug"`
	Releases         []releaseJSON              `json:"releases"`
}

type releaseJSON struct {
	Name     string                     `json:"name"`
	PCRs     map[string]json.RawMessage `json:"pcrs"`
	NotAfter *string                    `json:"not_after"`
}

// ParsePolicy reads a policy: the JSON text "any", or an object of
//
//	pcrs               {"0": ["hex", ...] or "hex", ...}
//	function_checksum  64 hex digits
//	key_checksum       64 hex digits
//	max_age_ms         1 or more
//	future_skew_ms     0 or more; 5000 by default
//	allow_debug        true or false
//	any                true pins nothing
//	releases           [{"name": text, "pcrs": as above, "not_after": RFC 3339 time}, ...]
//
// All are optional, but something has to be pinned or any said. Hex is of either case. It is
// read strictly, see DecodeJSON. The error is an *Error with reason "argument.policy" or
// "argument.policy_empty".
func ParsePolicy(data []byte) (*Policy, error) {
	p, err := parsePolicy(data)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func parsePolicy(data []byte) (*Policy, *Error) {
	const remedy = `a policy is "any", or an object of pcrs, function_checksum, key_checksum, max_age_ms, future_skew_ms, allow_debug, any and releases`
	if err := CheckJSON(data); err != nil {
		return nil, policyError("the policy "+err.Error(), remedy)
	}
	var text string
	if json.Unmarshal(data, &text) == nil && !isNull(data) {
		if text != "any" {
			return nil, policyError(`the policy is a text other than "any"`, remedy)
		}
		return &Policy{Any: true}, nil
	}
	var in policyJSON
	if err := DecodeJSON(data, &in); err != nil {
		return nil, policyError("the policy "+err.Error(), remedy)
	}
	p, err := in.policy()
	if err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return p, nil
}

// UnmarshalJSON is ParsePolicy, so that a policy can be a member of other options.
func (p *Policy) UnmarshalJSON(data []byte) error {
	parsed, err := ParsePolicy(data)
	if err != nil {
		return err
	}
	*p = *parsed
	return nil
}

func (in *policyJSON) policy() (*Policy, *Error) {
	p := &Policy{Any: in.Any, AllowDebug: in.AllowDebug}
	var err *Error
	if p.PCRs, err = parsePCRs(in.PCRs, "the policy"); err != nil {
		return nil, err
	}
	if p.FunctionChecksum, err = parseChecksum(in.FunctionChecksum, "function_checksum"); err != nil {
		return nil, err
	}
	if p.KeyChecksum, err = parseChecksum(in.KeyChecksum, "key_checksum"); err != nil {
		return nil, err
	}
	if ms := in.MaxAgeMS; ms != nil {
		if *ms < 1 || *ms > maxPolicyMS {
			return nil, policyError("the policy's max_age_ms is out of range", "give 1 or more milliseconds, or leave it out for no limit")
		}
		p.MaxAge = time.Duration(*ms) * time.Millisecond
	}
	if ms := in.FutureSkewMS; ms != nil {
		if *ms < 0 || *ms > maxPolicyMS {
			return nil, policyError("the policy's future_skew_ms is out of range", "give 0 or more milliseconds, or leave it out for 5000")
		}
		if p.FutureSkew = time.Duration(*ms) * time.Millisecond; *ms == 0 {
			p.FutureSkew = -1
		}
	}
	for i, release := range in.Releases {
		where := fmt.Sprintf("release %d of the policy", i+1)
		pcrs, err := parsePCRs(release.PCRs, where)
		if err != nil {
			return nil, err
		}
		out := Release{Name: release.Name, PCRs: pcrs}
		if release.NotAfter != nil {
			when, err := time.Parse(time.RFC3339, *release.NotAfter)
			if err != nil {
				return nil, policyError(where+" has a not_after that is no RFC 3339 time", `write it as "2027-01-31T00:00:00Z"`)
			}
			out.NotAfter = when
		}
		p.Releases = append(p.Releases, out)
	}
	return p, nil
}

func parsePCRs(in map[string]json.RawMessage, where string) (map[int][][]byte, *Error) {
	if len(in) == 0 {
		return nil, nil
	}
	pcrs := make(map[int][][]byte, len(in))
	for _, name := range slices.Sorted(maps.Keys(in)) {
		raw := in[name]
		index, err := parsePCRIndex(name)
		if err != nil {
			return nil, policyError(where+" names a PCR that does not exist", `write PCRs as "0" to "31"`)
		}
		var values []string
		if DecodeJSON(raw, &values) != nil {
			var value string
			if DecodeJSON(raw, &value) != nil {
				return nil, policyError(fmt.Sprintf("%s has a PCR%d that is neither hex text nor a list of it", where, index),
					`write {"0": ["<96 hex digits>"]}`)
			}
			values = []string{value}
		}
		pcrs[index] = [][]byte{} // an empty list is for checkPCRs to refuse
		for _, text := range values {
			value, err := hex.DecodeString(text)
			if err != nil {
				return nil, policyError(fmt.Sprintf("%s has a value of PCR%d that is not hex", where, index), "write 96 hex digits")
			}
			pcrs[index] = append(pcrs[index], value)
		}
	}
	return pcrs, nil
}

func parsePCRIndex(name string) (int, error) {
	index, err := strconv.Atoi(name)
	if err != nil || index < 0 || index > maxPCR || strconv.Itoa(index) != name {
		return 0, errors.New("no PCR index")
	}
	return index, nil
}

func parseChecksum(text *string, name string) ([]byte, *Error) {
	if text == nil {
		return nil, nil
	}
	sum, err := hex.DecodeString(*text)
	if err != nil || len(sum) != 32 {
		return nil, policyError("the policy's "+name+" is not 64 hex digits", "give a SHA-256 digest in hex")
	}
	return sum, nil
}
