package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/capelib"
)

func newPCRsCommand(e *environment) *cobra.Command {
	flags := serviceFlags{environment: e}
	var root string
	command := &cobra.Command{
		Use:   "get-pcrs",
		Short: "Print the PCRs of a running enclave",
		Long: `Get-pcrs has an enclave attest, and prints the PCRs of its document, those that are zero left
out. The document is verified, and that is all: any enclave is accepted, so compare what is
printed with what the enclave's build gave before you pin it.

` + exitStatus,
		Example: `  cape get-pcrs --url ws://127.0.0.1:8765 --attestation-root root.pem`,
		Args:    exactly(0, "get-pcrs takes no arguments"),
		RunE: func(command *cobra.Command, _ []string) error {
			options, err := flags.options()
			if err != nil {
				return err
			}
			options.Policy = &capelib.Policy{Any: true, AllowDebug: true}
			if options.AttestationRoots, err = e.file("--attestation-root", root, "attestation_root"); err != nil {
				return err
			}
			ctx, stop := e.untilInterrupted(command.Context())
			defer stop()
			_, report, err := capelib.Key(ctx, options)
			if err != nil {
				return err
			}
			value := map[string]any{"pcrs": report.PCRs, "module_id": report.ModuleID, "debug_mode": report.DebugMode}
			return e.print(value, func(w io.Writer) {
				var rows [][]string
				printPCRs(func(name, value string) { rows = append(rows, []string{name, strings.ToLower(value)}) }, report.PCRs)
				table(w, rows)
			})
		},
	}
	endedFlag(command, "version", "", "name a running enclave with --url in place of one of its releases")
	endedFlag(command, "bucket", "b", "name a running enclave with --url in place of one of its releases")
	flags.register(command)
	command.Flags().StringVar(&root, "attestation-root", "", "`FILE` of PEM roots to trust in place of the AWS Nitro root")
	return command
}

func newVersionCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Version prints the version of cape, which is that of the library.\n\n" + exitStatus,
		Example: `  cape version`,
		Args:    exactly(0, "version takes no arguments"),
		RunE: func(*cobra.Command, []string) error {
			return e.print(map[string]string{"version": version}, func(w io.Writer) { _, _ = io.WriteString(w, version+"\n") })
		},
	}
}
