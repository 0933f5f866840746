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

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/capelib"
)

// version is set by the Makefile from include/cape.h.
var version = "(development build)"

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
	root := newRootCommand()
	root.SetArgs(args)
	err := root.Execute()
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
		fmt.Fprintf(os.Stderr, "cape: %s (%s)\n", failure.Message, failure.Reason)
		if failure.Code == capelib.CodeArgument {
			return exitUsage
		}
		return exitRefused
	default:
		// What cobra itself reports: an unknown command or flag, a wrong number of arguments.
		fmt.Fprintf(os.Stderr, "cape: %v\n", err)
		return exitUsage
	}
}

// refuseEmpty refuses flags that say what to trust or to demand, and say nothing: a script's
// variable that is not set must not make a check disappear.
func refuseEmpty(command *cobra.Command) error {
	for _, name := range []string{"at", "attestation-root", "function-checksum", "nonce", "policy", "root", "tls-ca"} {
		flag := command.Flags().Lookup(name)
		if flag == nil || !flag.Changed {
			continue
		}
		values := []string{flag.Value.String()}
		if several, ok := flag.Value.(interface{ GetSlice() []string }); ok {
			values = several.GetSlice()
		}
		if slices.Contains(values, "") {
			return usagef("--%s is empty: give a value, or leave the flag out", name)
		}
	}
	return nil
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:               "cape",
		Short:             "Call code that runs inside a trusted execution environment, and know which code answered",
		Version:           version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(command *cobra.Command, _ []string) error { return refuseEmpty(command) },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newEnclaveCommand(), newRunCommand(), newVerifyCommand())
	root.AddCommand(extra...)
	return root
}
