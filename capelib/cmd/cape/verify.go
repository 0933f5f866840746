package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/capelib"
)

// maxDocumentFile bounds what is read of a document, in bytes. It is far above what a document
// may have, in any of its forms.
const maxDocumentFile = 1 << 20

// verifyFlags are those of 'cape verify'.
type verifyFlags struct {
	attestationRoots []string
	roots            []string // the same, under the flag's other name
	at               string
	atDocumentTime   bool
	policyFile       string
	nonce            string
	json             bool
	policy           policyFlags
}

// errRefused ends the command with the status of a refusal, after the report has been printed.
var errRefused = errors.New("the document was refused")

func newVerifyCommand(e *environment) *cobra.Command {
	var flags verifyFlags
	command := &cobra.Command{
		Use:   "verify FILE",
		Short: "Verify an attestation document, and say in words what is wrong with it",
		Long: `Verify examines an AWS Nitro attestation document step by step, and prints a report.

FILE holds the document as raw bytes, base64 or hexadecimal, which is recognised; - is standard
input. Say which enclave you accept with --policy, with --pcr and --function-checksum, or with
--any-enclave. The settings attestation_root and policy do not count here: only flags do.

Exit status: 0 accepted, 1 refused, 2 the command line or a file cannot be used.`,
		Example: `  cape verify --pcr 0:$PCR0 --nonce $NONCE document.bin
  cape verify --policy policy.json --at-document-time --json archived.b64`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("name one FILE, or - for standard input; there are %d arguments", len(args))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			flags.json = flags.json || e.output == "json"
			return flags.verify(args[0])
		},
	}
	f := command.Flags()
	f.StringArrayVar(&flags.attestationRoots, "attestation-root", nil, "`FILE` of PEM roots to trust in place of the AWS Nitro root; repeat for more")
	f.StringArrayVar(&flags.roots, "root", nil, "the same as --attestation-root, as a `FILE`")
	f.StringVar(&flags.at, "at", "", "judge validity at `TIME`, of the form 2026-01-31T12:00:00Z, in place of now")
	f.BoolVar(&flags.atDocumentTime, "at-document-time", false, "judge an archived document at the time that it was signed")
	f.StringVar(&flags.policyFile, "policy", "", "JSON `FILE` of the policy")
	f.StringVar(&flags.nonce, "nonce", "", "`HEX` that the document must carry")
	f.BoolVar(&flags.json, "json", false, "print the report as JSON")
	flags.policy.register(command)
	return command
}

func (flags *verifyFlags) verify(file string) error {
	options, err := flags.options()
	if err != nil {
		return err
	}
	content, err := readDocument(file)
	if err != nil {
		return err
	}
	report, err := capelib.Verify(recognise(content), options)
	if report == nil {
		return err
	}
	print := printReport
	if flags.json {
		print = printJSON
	}
	if err := print(os.Stdout, report); err != nil {
		return usagef("the report cannot be written: %v", err)
	}
	if err != nil {
		return errRefused
	}
	return nil
}

func printJSON(w io.Writer, report *capelib.Report) error {
	encoded, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(encoded, '\n'))
	return err
}

func (flags *verifyFlags) options() (capelib.VerifyOptions, error) {
	o := capelib.VerifyOptions{AtDocumentTime: flags.atDocumentTime}
	var err error
	if o.Policy, err = flags.policy.orFile("--policy", flags.policyFile); err != nil {
		return o, err
	}
	for by, files := range map[string][]string{"--attestation-root": flags.attestationRoots, "--root": flags.roots} {
		for _, file := range files {
			root, err := readFile(by, file)
			if err != nil {
				return o, err
			}
			o.AttestationRoots = append(append(o.AttestationRoots, root...), '\n')
		}
	}
	if flags.at != "" && flags.atDocumentTime {
		return o, usagef("give --at or --at-document-time, not both")
	}
	if flags.at != "" {
		if o.Time, err = time.Parse(time.RFC3339, flags.at); err != nil {
			return o, usagef("--at %s: write the time as 2026-01-31T12:00:00Z", flags.at)
		}
	}
	if flags.nonce != "" {
		if o.Nonce, err = hex.DecodeString(flags.nonce); err != nil {
			return o, usagef("--nonce: not hexadecimal")
		}
	}
	return o, nil
}

func readDocument(name string) ([]byte, error) {
	file := os.Stdin
	if name != "-" {
		opened, err := os.Open(name)
		if err != nil {
			return nil, usagef("the document cannot be read: %v", err)
		}
		defer opened.Close()
		file = opened
	}
	content, err := io.ReadAll(io.LimitReader(file, maxDocumentFile))
	if err != nil {
		return nil, usagef("the document cannot be read: %v", err)
	}
	return content, nil
}

// recognise gives the bytes of a document that is written as base64 or hexadecimal. A raw one
// begins with a byte that is no text.
func recognise(content []byte) []byte {
	text := strings.Join(strings.Fields(string(content)), "")
	if decoded, err := hex.DecodeString(text); err == nil {
		return decoded
	}
	unpadded := strings.TrimRight(text, "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if decoded, err := encoding.DecodeString(unpadded); err == nil {
			return decoded
		}
	}
	return content
}
