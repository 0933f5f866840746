package enclave

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// Info is what a client needs to know of a local enclave.
type Info struct {
	URL             string         // ws://host:port or wss://host:port
	AttestationRoot []byte         // PEM: the root of the simulated security module
	TLSCA           []byte         // PEM: the authority of the TLS certificate; nil without TLS
	Functions       []FunctionInfo // in the order of the options
	PCRs            map[int][]byte // PCR0 to PCR2, 48 bytes each; the others are zero
}

// FunctionInfo names one function.
type FunctionInfo struct {
	ID       string `json:"id"`       // 22 characters; changes with the content
	Name     string `json:"name"`     // "local/<name>"
	Checksum string `json:"checksum"` // SHA-256 of its zip, in lower-case hex
}

// MarshalJSON gives {"url", "attestation_root", "tls_ca", "functions", "pcrs": {"0": hex}}, of
// which tls_ca is there only with TLS.
func (i Info) MarshalJSON() ([]byte, error) {
	pcrs := make(map[string]string, len(i.PCRs))
	for index, value := range i.PCRs {
		pcrs[strconv.Itoa(index)] = hex.EncodeToString(value)
	}
	return json.Marshal(struct {
		URL             string            `json:"url"`
		AttestationRoot string            `json:"attestation_root"`
		TLSCA           string            `json:"tls_ca,omitempty"`
		Functions       []FunctionInfo    `json:"functions"`
		PCRs            map[string]string `json:"pcrs"`
	}{i.URL, string(i.AttestationRoot), string(i.TLSCA), append([]FunctionInfo{}, i.Functions...), pcrs})
}

func (i Info) clone() Info {
	i.AttestationRoot = slices.Clone(i.AttestationRoot)
	i.TLSCA = slices.Clone(i.TLSCA)
	i.Functions = slices.Clone(i.Functions)
	i.PCRs = maps.Clone(i.PCRs)
	for index, value := range i.PCRs {
		i.PCRs[index] = slices.Clone(value)
	}
	return i
}
