package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
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
	arguments       string
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

FUNCTION is an id or user/name. The input is INPUT, or the content of a file with -f; - for
either is standard input. A function made with serdio takes values, not bytes: give them with --args, and the result is
printed as JSON. Say which enclave you accept with --pcr or --function-checksum.

Exit status: 0 success; 1 the enclave, the function or the network said no; 2 the command line
or a file cannot be used.`,
		Example: `  cape run local/echo hello --url ws://127.0.0.1:8765 \
      --attestation-root root.pem --pcr 0:$PCR0
  cape run local/pythagorean --args '[3, 4]' --url ws://127.0.0.1:8765 --any-enclave \
      --attestation-root root.pem
  cape run user/name -f - --url wss://enclave.example.com --pcr 0:$PCR0 < input`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usagef("give FUNCTION, and INPUT, -f or --args; there are %d arguments", len(args))
			}
			return nil
		},
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
	f.StringVar(&flags.arguments, "args", "", "arguments of a function made with serdio, as a `JSON` array, or as {\"args\": [...], \"kwargs\": {...}}")
	f.DurationVar(&flags.timeout, "timeout", capelib.DefaultTimeout, "deadline for connecting, and for the call; 0 is the default")
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
		URL: flags.url, Function: args[0], Token: strings.TrimSpace(flags.token), Policy: policy,
		InsecureWS: flags.insecureWS, Timeout: flags.timeout,
	}
	if options.AttestationRoots, err = readFile("--attestation-root", flags.attestationRoot); err != nil {
		return err
	}
	if options.TLSCA, err = readFile("--tls-ca", flags.tlsCA); err != nil {
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
		return flags.named(args[0], err)
	}
	if flags.arguments != "" {
		if output, err = capelib.SerdioDecode(output); err != nil {
			return err
		}
		output = append(output, '\n')
	}
	if _, err := os.Stdout.Write(output); err != nil {
		return usagef("the result cannot be written: %v", err)
	}
	return nil
}

// named tells which function an error of a function is from, and what may be behind it.
func (flags *runFlags) named(function string, err error) error {
	failure := capelib.AsError(err)
	if failure.Code != capelib.CodeFunction {
		return failure
	}
	hint := ""
	if flags.arguments == "" {
		hint = "; a function made with serdio takes --args"
	}
	return capelib.NewError(failure.Reason, function+" failed: "+failure.Message+hint)
}

func (flags *runFlags) input(args []string) ([]byte, error) {
	if flags.arguments != "" {
		if len(args) == 1 || flags.file != "" {
			return nil, usagef("give --args, or the input as INPUT or with -f, not both")
		}
		arguments := strings.TrimSpace(flags.arguments)
		switch {
		case strings.HasPrefix(arguments, "["):
			arguments = `{"args": ` + arguments + `}`
		case !strings.HasPrefix(arguments, "{"):
			return nil, usagef(`--args %s: give a JSON array such as '[3, 4]', or {"args": [...], "kwargs": {...}}`, arguments)
		}
		return capelib.SerdioEncode([]byte(arguments))
	}
	switch {
	case len(args) == 1 && flags.file != "":
		return nil, usagef("give INPUT or -f, not both")
	case len(args) == 1 && args[0] == "-":
		flags.file = "-"
	case len(args) == 1:
		return []byte(args[0]), nil
	case flags.file == "":
		return nil, usagef("the input is missing: give INPUT, -f FILE (- for standard input) or --args")
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

// readFile reads the file that a flag names, or nothing when the flag is not given.
func readFile(flag, name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, usagef("%s: %v", flag, err)
	}
	return content, nil
}
