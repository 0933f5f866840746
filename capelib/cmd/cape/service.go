package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/capelib"
)

// serviceFlags lead to a service, and show it a token.
type serviceFlags struct {
	environment *environment
	token       string
	tlsCA       string
	timeout     time.Duration
	insecureWS  bool
}

func (s *serviceFlags) register(command *cobra.Command) {
	f := command.Flags()
	f.StringVarP(&s.token, "token", "t", "", "credential to present, in place of CAPE_TOKEN or that of 'cape login'")
	f.StringVar(&s.tlsCA, "tls-ca", "", "`FILE` of PEM authorities to trust for TLS in place of the system's")
	f.DurationVar(&s.timeout, "timeout", capelib.DefaultTimeout, "deadline for connecting, and for each answer; 0 is the default")
	f.BoolVar(&s.insecureWS, "insecure-ws", false, "permit ws:// to another machine: results can be read and forged on the way")
}

func (s *serviceFlags) options() (capelib.Options, error) {
	url, err := s.environment.enclaveURL()
	if err != nil {
		return capelib.Options{}, err
	}
	o := capelib.Options{URL: url, Token: strings.TrimSpace(s.token), InsecureWS: s.insecureWS, Timeout: s.timeout}
	if o.Token == "" {
		if o.Token, err = s.environment.tokenFor(url); err != nil {
			return o, err
		}
	}
	if strings.IndexAny(o.Token, "/.~") == 0 { // with which no token begins
		return o, usagef("the token looks like the name of a file: give what is in it, as in --token \"$(cat FILE)\"")
	}
	o.TLSCA, err = s.environment.file("--tls-ca", s.tlsCA, "tls_ca")
	return o, err
}

// file reads the file that a flag names, or else a setting.
func (e *environment) file(flag, name, setting string) ([]byte, error) {
	if name == "" {
		flag, name = "the setting "+setting+":", e.get(setting)
	}
	return readFile(flag, name)
}

// attestedFlags lead to an enclave that attests, and say which ones are accepted.
type attestedFlags struct {
	serviceFlags
	attestationRoot string
	policyFile      string
	policy          policyFlags
}

func (a *attestedFlags) register(command *cobra.Command) {
	a.serviceFlags.register(command)
	f := command.Flags()
	f.StringVar(&a.attestationRoot, "attestation-root", "", "`FILE` of PEM roots to trust in place of the AWS Nitro root")
	f.StringVar(&a.policyFile, "policy", "", "JSON `FILE` of the policy")
	a.policy.register(command)
}

func (a *attestedFlags) options() (capelib.Options, error) {
	o, err := a.serviceFlags.options()
	if err != nil {
		return o, err
	}
	if o.Policy, err = a.readPolicy(); err != nil {
		return o, err
	}
	o.AttestationRoots, err = a.environment.file("--attestation-root", a.attestationRoot, "attestation_root")
	return o, err
}

// readPolicy prefers what the command line says over the file that the settings name.
func (a *attestedFlags) readPolicy() (*capelib.Policy, error) {
	by, file := "--policy", a.policyFile
	if file == "" && !a.policy.given() {
		by, file = "the setting policy:", a.environment.get("policy")
	}
	return a.policy.orFile(by, file)
}
