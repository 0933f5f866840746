package main

import (
	"github.com/spf13/cobra"

	"github.com/libcape/libcape/capelib"
)

type testFlags struct {
	attestedFlags
	input inputFlags
}

func newTestCommand(e *environment) *cobra.Command {
	flags := testFlags{}
	flags.environment, flags.policy.noFunction = e, true
	command := &cobra.Command{
		Use:   "test DIR|ZIP [INPUT]",
		Short: "Try a function in an attested enclave, without deploying it",
		Long: `Test sends a function and an input to an enclave, which runs the function once and keeps nothing,
and prints the result. Function and input are sealed to the key that the enclave attests. Their
ciphertexts are held in memory. The policy for this cannot pin a function's checksum: the
enclave attests before it has the function.

` + exitStatus,
		Example: `  cape test ./echo hello --url ws://127.0.0.1:8765 --attestation-root root.pem --pcr 0:$PCR0
  cape test ./echo -f input.bin --policy enclave.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usagef("give one folder or zip, and INPUT or -f; there are %d arguments", len(args))
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error {
			options, err := flags.options()
			if err != nil {
				return err
			}
			input, err := flags.input.read(args[1:], "give INPUT, or -f FILE (- for standard input)")
			if err != nil {
				return err
			}
			ctx, stop := e.untilInterrupted(command.Context())
			defer stop()
			output, report, err := capelib.Trial{Path: args[0], Input: input, Progress: e.progress("sending")}.Run(ctx, options)
			if err != nil {
				return named(args[0], false, err)
			}
			return e.printOutput(output, report, capelib.Evidence{})
		},
	}
	flags.register(command)
	flags.input.register(command)
	return command
}
