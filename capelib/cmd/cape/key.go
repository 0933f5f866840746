package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/capelib"
)

func newKeyCommand(e *environment) *cobra.Command {
	flags := attestedFlags{}
	flags.environment, flags.policy.noFunction = e, true
	command := &cobra.Command{
		Use:   "key",
		Short: "Print your Cape key, which an attested enclave states",
		Long: `Key asks an enclave for the public Cape key of the token's owner, and prints it as PEM. What is
encrypted to it only the owner's functions can read. The key is asked for, and attested, each
time; a copy is kept as DER in the folder of the settings, for other clients. The policy for
this cannot pin a function's checksum, as no function is asked for.

` + exitStatus,
		Example: `  cape key --url ws://127.0.0.1:8765 --attestation-root root.pem --pcr 0:$PCR0 > key.pem`,
		Args:    exactly(0, "key takes no arguments"),
		RunE: func(command *cobra.Command, _ []string) error {
			options, err := flags.options()
			if err != nil {
				return err
			}
			ctx, stop := e.untilInterrupted(command.Context())
			defer stop()
			key, _, err := capelib.Key(ctx, options)
			if err != nil {
				return err
			}
			if err := e.keep(e.get("local_cape_key_file_name"), key); err != nil {
				fmt.Fprintf(os.Stderr, "cape: no copy of the key is kept: %v\n", err)
			}
			text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key}))
			return e.print(map[string]string{"key": text}, func(w io.Writer) { _, _ = io.WriteString(w, text) })
		},
	}
	flags.register(command)
	return command
}

type encryptFlags struct {
	attestedFlags
	input    inputFlags
	username string
}

func newEncryptCommand(e *environment) *cobra.Command {
	flags := encryptFlags{}
	flags.environment, flags.policy.noFunction = e, true
	command := &cobra.Command{
		Use:   "encrypt [INPUT]",
		Short: "Encrypt an input that only a user's functions can read",
		Long: `Encrypt seals an input to a Cape key, and prints it as text that begins with "cape:". Given to one
of the user's functions as its input, it is decrypted inside the enclave.

The input is INPUT, or the content of a file with -f, or else standard input if that is no
terminal. The key is that of the token's owner, which the enclave attests, or with --username
that of any user: the document with that one is an old one, and that the key is this user's is
what the service says. The policy for this cannot pin a function's checksum, as no function is
asked for.

` + exitStatus,
		Example: `  cape encrypt hello --url ws://127.0.0.1:8765 --attestation-root root.pem --pcr 0:$PCR0
  cape encrypt -f secret.bin --username ann --policy enclave.json > secret.cape`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("give one INPUT or -f; there are %d arguments", len(args))
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error { return flags.encrypt(command.Context(), args) },
	}
	flags.register(command)
	flags.input.register(command)
	command.Flags().StringVar(&flags.username, "username", "", "encrypt to the key of this `USER`, in place of the token's owner")
	return command
}

func (flags *encryptFlags) encrypt(ctx context.Context, args []string) error {
	options, err := flags.options()
	if err != nil {
		return err
	}
	if len(args) == 0 && flags.input.file == "" && !isTerminal(os.Stdin) {
		flags.input.file = "-"
	}
	input, err := flags.input.read(args, "give INPUT, or -f FILE (- for standard input)")
	if err != nil {
		return err
	}
	ctx, stop := flags.environment.untilInterrupted(ctx)
	defer stop()
	var key []byte
	if flags.username == "" {
		key, _, err = capelib.Key(ctx, options)
	} else {
		key, _, err = capelib.UserKey(ctx, options, flags.username)
	}
	if err != nil {
		return err
	}
	text, err := capelib.Encrypt(key, input)
	if err != nil {
		return err
	}
	return flags.environment.print(map[string]string{"ciphertext": string(text)}, func(w io.Writer) { _, _ = w.Write(append(text, '\n')) })
}
