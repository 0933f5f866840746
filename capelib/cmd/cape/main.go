// Command cape calls functions in a trusted execution environment, and runs a local enclave to
// try them on. 'cape help' lists what it does.
//
// Exit status: 0 success; 1 the enclave, the function or the network said no; 2 the command line
// is not usable, or a file cannot be read or written.
package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/capelib"
)

// version is set by the Makefile from include/cape.h.
var version = "(development build)"

// exitStatus ends the help of each command.
const exitStatus = `Exit status: 0 success; 1 the enclave, the function or the network said no; 2 the command line
or a file cannot be used.`

const (
	exitRefused = 1
	exitUsage   = 2
)

// usageError is a fault of the command line, not of what it asked for.
type usageError struct{ error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// extra are the commands of builds for a purpose of their own.
var extra []*cobra.Command

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	var e environment
	root := newRootCommand(&e)
	root.SetArgs(args)
	err := root.Execute()
	if e.verbose {
		for _, record := range capelib.Log(0) {
			fmt.Fprintf(os.Stderr, "cape: %s: %s\n", record.Level, record.Message)
		}
	}
	if err == nil {
		return 0
	}
	var failure *capelib.Error
	var usage usageError
	switch {
	case errors.Is(err, errRefused):
		return exitRefused
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "cape: %v\n", usage)
		return exitUsage
	case errors.As(err, &failure):
		hint := ""
		if failure.Code == capelib.CodeAuth {
			hint = "; give a --token that is good for this, or run 'cape login'"
		}
		fmt.Fprintf(os.Stderr, "cape: %s%s (%s)\n", failure.Message, hint, failure.Reason)
		if failure.Code == capelib.CodeArgument {
			return exitUsage
		}
		return exitRefused
	default:
		// What cobra itself reports: an unknown command or flag, a wrong number of arguments.
		fmt.Fprintf(os.Stderr, "cape: %s\n", strings.Join(strings.Fields(err.Error()), " "))
		return exitUsage
	}
}

// refuseEmpty refuses flags that say what to trust or to demand, and say nothing: a script's
// variable that is not set must not make a check disappear.
func refuseEmpty(command *cobra.Command) error {
	for _, name := range []string{"at", "attestation-root", "config", "function", "function-checksum", "key-policy-checksum", "name", "nonce", "pcr",
		"policy", "root", "tls-ca", "token", "url", "username", "write-policy"} {
		flag := command.Flags().Lookup(name)
		if flag == nil || !flag.Changed {
			continue
		}
		values := []string{flag.Value.String()}
		if several, ok := flag.Value.(interface{ GetSlice() []string }); ok {
			values = several.GetSlice()
		}
		if len(values) == 0 || slices.Contains(values, "") {
			return usagef("--%s is empty: give a value, or leave the flag out", name)
		}
	}
	return nil
}

func newRootCommand(e *environment) *cobra.Command {
	root := &cobra.Command{
		Use:           "cape",
		Short:         "Call code that runs inside a trusted execution environment, and know which code answered",
		Long:          "Cape deploys functions to enclaves, calls them there, and runs a local enclave to try them on.\n\n" + exitStatus,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(command *cobra.Command, args []string) error {
			if err := refuseEmpty(command); err != nil {
				return err
			}
			return e.load(command.Name() == "config" && len(args) == 2)
		},
	}
	e.register(root)
	root.SuggestionsMinimumDistance = 1
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newEnclaveCommand(), newRunCommand(e), newVerifyCommand(e), newDeployCommand(e), newTestCommand(e),
		newKeyCommand(e), newEncryptCommand(e), newListCommand(e), newDeleteCommand(e), newTokenCommand(e),
		newFunctionCommand(e), newConfigCommand(e), newPCRsCommand(e), newVersionCommand(e), newLoginCommand(e))
	root.AddCommand(extra...)
	return root
}
