package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/capelib"
)

// runFlags are those of 'cape run'.
type runFlags struct {
	attestedFlags
	input     inputFlags
	arguments string
	signed    bool
}

func newRunCommand(e *environment) *cobra.Command {
	flags := runFlags{}
	flags.environment = e
	command := &cobra.Command{
		Use:   "run FUNCTION [INPUT]",
		Short: "Run a function in an attested enclave, and print its result",
		Long: `Run connects to an enclave, verifies its attestation document, seals the input to the
key that it proved, and writes the function's result to standard output, byte for byte and
nothing else but, on a terminal, a line break.

FUNCTION is an id or user/name. The input is INPUT, or the content of a file with -f; - for
either is standard input. A function made with serdio takes values, not bytes: give them with
--args, and the result is printed as JSON. Say which enclave you accept with --pcr,
--function-checksum or --policy.

With -o json the attestation document is told beside the output, and with --signed-results the
checksums of input, function and output with their signature.

` + exitStatus,
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
	flags.register(command)
	flags.input.register(command)
	command.Flags().BoolVar(&flags.signed, "signed-results", false, "accept a result only if the enclave has signed it")
	command.Flags().StringVar(&flags.arguments, "args", "", "arguments of a function made with serdio, as a `JSON` array, or as {\"args\": [...], \"kwargs\": {...}}")
	return command
}

func (flags *runFlags) run(ctx context.Context, args []string) error {
	options, err := flags.options()
	if err != nil {
		return err
	}
	options.Function, options.SignedResults = args[0], flags.signed
	input, err := flags.readInput(args[1:])
	if err != nil {
		return err
	}
	ctx, stop := flags.environment.untilInterrupted(ctx)
	defer stop()
	conn, err := capelib.Connect(ctx, options)
	if err != nil {
		return err
	}
	defer conn.Close()
	output, evidence, err := flags.environment.invoke(ctx, conn, input)
	if err != nil {
		return named(args[0], flags.arguments == "", err)
	}
	if flags.arguments != "" {
		if output, err = capelib.SerdioDecode(output); err != nil {
			return err
		}
		output = append(output, '\n')
	}
	return flags.environment.printOutput(output, conn.Report(), evidence)
}

// named tells which function an error of a function is from, and what may be behind it. raw says
// that it was given bytes as they are.
func named(function string, raw bool, err error) error {
	failure := capelib.AsError(err)
	if failure.Reason != "function.error" {
		return failure
	}
	hint := ""
	switch {
	case strings.Contains(failure.Message, "ModuleNotFoundError"):
		hint = "; put the module beside app.py, or have the enclave use an interpreter that has it"
	case strings.Contains(failure.Message, "the function's process ended"):
		hint = "; what it printed last is in the enclave's log"
	case raw && (strings.Contains(failure.Message, "DecodeError") || strings.Contains(failure.Message, "npack")): // serdio's, and the original's
		hint = "; a function made with serdio takes --args"
	}
	return capelib.NewError(failure.Reason, function+" failed: "+failure.Message+hint)
}

func (flags *runFlags) readInput(args []string) ([]byte, error) {
	if flags.arguments != "" {
		if len(args) == 1 || flags.input.file != "" {
			return nil, usagef("give --args, or the input as INPUT or with -f, not both")
		}
		arguments := strings.TrimSpace(flags.arguments)
		switch {
		case strings.HasPrefix(arguments, "["):
			// The library would count bytes in what is around it.
			var malformed *json.SyntaxError
			if err := json.Unmarshal([]byte(arguments), new(json.RawMessage)); errors.As(err, &malformed) {
				return nil, capelib.NewError("argument.json", fmt.Sprintf("--args is no JSON at byte %d: give an array such as '[3, 4]'", malformed.Offset))
			}
			arguments = `{"args": ` + arguments + `}`
		case !strings.HasPrefix(arguments, "{"):
			return nil, usagef(`--args %s: give a JSON array such as '[3, 4]', or {"args": [...], "kwargs": {...}}`, arguments)
		}
		return capelib.SerdioEncode([]byte(arguments))
	}
	return flags.input.read(args, "give INPUT, -f FILE (- for standard input) or --args")
}

// readFile reads the file that a flag names, or nothing when the flag is not given.
func readFile(flag, name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, usagef("%s %s cannot be read: %v", flag, name, because(err))
	}
	return content, nil
}
