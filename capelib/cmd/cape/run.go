package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/capelib"
)

// runFlags are those of 'cape run'.
type runFlags struct {
	url             string
	attestationRoot string
	tlsCA           string
	token           string
	file            string
	timeout         time.Duration
	insecureWS      bool
	policy          policyFlags
}

func newRunCommand() *cobra.Command {
	var flags runFlags
	command := &cobra.Command{
		Use:   "run FUNCTION [INPUT]",
		Short: "Run a function in an attested enclave, and print its result",
		Long: `Run connects to an enclave, verifies its attestation document, seals the input to the
key that it proved, and writes the function's result to standard output, byte for byte and
nothing else.

FUNCTION is an id or user/name. The input is INPUT, or the content of a file with -f.
Say which enclave you accept with --pcr or --function-checksum.`,
		Example: `  cape run local/echo hello --url ws://127.0.0.1:8765 \
      --attestation-root root.pem --pcr 0:$PCR0
  cape run user/name -f - --url wss://enclave.example.com --pcr 0:$PCR0 < input`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(command *cobra.Command, args []string) error {
			return flags.run(command.Context(), args)
		},
	}
	f := command.Flags()
	f.StringVarP(&flags.url, "url", "u", "", "address of the enclave: wss://host, or ws:// to this machine (required)")
	f.StringVar(&flags.attestationRoot, "attestation-root", "", "`FILE` of PEM roots to trust in place of the AWS Nitro root")
	f.StringVar(&flags.tlsCA, "tls-ca", "", "`FILE` of PEM authorities to trust for TLS in place of the system's")
	f.StringVarP(&flags.token, "token", "t", "", "credential to present")
	f.StringVarP(&flags.file, "file", "f", "", "read the input from `FILE`; - is standard input")
	f.DurationVar(&flags.timeout, "timeout", capelib.DefaultTimeout, "deadline for connecting, and for the call")
	f.BoolVar(&flags.insecureWS, "insecure-ws", false, "permit ws:// to another machine: results can be read and forged on the way")
	flags.policy.register(command)
	return command
}

func (flags *runFlags) run(ctx context.Context, args []string) error {
	if flags.url == "" {
		return usagef("--url is missing: give the enclave's address")
	}
	policy, err := flags.policy.policy()
	if err != nil {
		return err
	}
	options := capelib.Options{
		URL: flags.url, Function: args[0], Token: flags.token, Policy: policy,
		InsecureWS: flags.insecureWS, Timeout: flags.timeout,
	}
	if options.AttestationRoots, err = readFile(flags.attestationRoot); err != nil {
		return err
	}
	if options.TLSCA, err = readFile(flags.tlsCA); err != nil {
		return err
	}
	input, err := flags.input(args[1:])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	conn, err := capelib.Connect(ctx, options)
	if err != nil {
		return err
	}
	defer conn.Close()
	output, err := conn.Invoke(ctx, input)
	if err != nil {
		return err
	}
	if _, err := os.Stdout.Write(output); err != nil {
		return usagef("the result cannot be written: %v", err)
	}
	return nil
}

func (flags *runFlags) input(args []string) ([]byte, error) {
	switch {
	case len(args) == 1 && flags.file != "":
		return nil, usagef("give INPUT or -f, not both")
	case len(args) == 1:
		return []byte(args[0]), nil
	case flags.file == "":
		return nil, usagef("the input is missing: give INPUT, or -f FILE (- for standard input)")
	}
	file := os.Stdin
	if flags.file != "-" {
		opened, err := os.Open(flags.file)
		if err != nil {
			return nil, usagef("the input cannot be read: %v", err)
		}
		defer opened.Close()
		file = opened
	}
	input, err := io.ReadAll(io.LimitReader(file, capelib.MaxInput+1))
	if err != nil {
		return nil, usagef("the input cannot be read: %v", err)
	}
	if len(input) > capelib.MaxInput {
		return nil, capelib.NewError("limit.input", fmt.Sprintf("the input has more than %d bytes, which is the limit", capelib.MaxInput))
	}
	return input, nil
}

// readFile reads a file that an option names, or nothing when the option is not given.
func readFile(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, usageError{fmt.Errorf("a file cannot be read: %w", err)}
	}
	return content, nil
}
