package main

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/capelib"
)

// policyFlags say which enclaves are accepted.
type policyFlags struct {
	pcrs             []string
	functionChecksum string
	anyEnclave       bool
	allowDebug       bool
}

func (p *policyFlags) register(command *cobra.Command) {
	f := command.Flags()
	f.StringArrayVar(&p.pcrs, "pcr", nil, "`INDEX:HEX` that the enclave must have; repeat for more indices or more accepted values")
	f.StringVar(&p.functionChecksum, "function-checksum", "", "SHA-256 of the function's zip, as `HEX`")
	f.BoolVar(&p.anyEnclave, "any-enclave", false, "accept whatever enclave answers")
	f.BoolVar(&p.allowDebug, "allow-debug", false, "accept an enclave in debug mode, whose console its host can read")
}

func (p *policyFlags) policy() (*capelib.Policy, error) {
	policy := &capelib.Policy{Any: p.anyEnclave, AllowDebug: p.allowDebug}
	for _, pin := range p.pcrs {
		index, value, found := strings.Cut(pin, ":")
		if !found {
			return nil, usagef("--pcr %s: write it as INDEX:HEX, for example 0:1f0c...", pin)
		}
		n, err := strconv.ParseUint(index, 10, 5)
		if err != nil {
			return nil, usagef("--pcr %s: the index is not a number from 0 to 31", pin)
		}
		digest, err := hex.DecodeString(value)
		if err != nil {
			return nil, usagef("--pcr %s: the value is not hexadecimal", pin)
		}
		if policy.PCRs == nil {
			policy.PCRs = make(map[int][][]byte)
		}
		policy.PCRs[int(n)] = append(policy.PCRs[int(n)], digest)
	}
	if p.functionChecksum != "" {
		checksum, err := hex.DecodeString(p.functionChecksum)
		if err != nil {
			return nil, usagef("--function-checksum: not hexadecimal")
		}
		policy.FunctionChecksum = checksum
	}
	if !p.anyEnclave && policy.PCRs == nil && policy.FunctionChecksum == nil {
		return nil, usagef("say which enclave to accept: --pcr INDEX:HEX, --function-checksum HEX, or --any-enclave")
	}
	return policy, nil
}
