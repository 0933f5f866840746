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
	noFunction        bool // is asked for, which a checksum could be of
	pcrs              []string
	functionChecksum  string
	keyPolicyChecksum string
	anyEnclave        bool
	allowDebug        bool
}

func (p *policyFlags) register(command *cobra.Command) {
	f := command.Flags()
	f.StringSliceVarP(&p.pcrs, "pcr", "p", nil, "`INDEX:HEX` that the enclave must have; repeat for more indices or more accepted values")
	if !p.noFunction {
		f.StringVar(&p.functionChecksum, "function-checksum", "", "SHA-256 of the function's zip, as `HEX`")
		f.StringVar(&p.keyPolicyChecksum, "key-policy-checksum", "", "SHA-256 of the enclave's key policy, as `HEX`")
	}
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
	if p.keyPolicyChecksum != "" {
		checksum, err := hex.DecodeString(p.keyPolicyChecksum)
		if err != nil {
			return nil, usagef("--key-policy-checksum: not hexadecimal")
		}
		policy.KeyChecksum = checksum
	}
	if !p.given() {
		return nil, usagef("say which enclave to accept: --pcr INDEX:HEX, %s--policy FILE, or --any-enclave", p.checksumToo("--function-checksum HEX, "))
	}
	return policy, nil
}

// checksumToo is a part of a message, where the flag is there that it is about.
func (p *policyFlags) checksumToo(text string) string {
	if p.noFunction {
		return ""
	}
	return text
}

// given says that the flags themselves say which enclave to accept.
func (p *policyFlags) given() bool {
	return p.anyEnclave || len(p.pcrs) > 0 || p.functionChecksum != "" || p.keyPolicyChecksum != ""
}

// orFile gives the policy of a file, if a flag or a setting names one, or else that of the flags.
func (p *policyFlags) orFile(by, name string) (*capelib.Policy, error) {
	if name == "" {
		return p.policy()
	}
	if p.given() {
		return nil, usagef("give --policy, or the policy by --pcr%s or --any-enclave, not both", p.checksumToo(", --function-checksum"))
	}
	text, err := readFile(by, name)
	if err != nil {
		return nil, err
	}
	policy, err := capelib.ParsePolicy(text)
	if err != nil {
		return nil, err
	}
	policy.AllowDebug = policy.AllowDebug || p.allowDebug
	return policy, nil
}
