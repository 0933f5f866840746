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

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "cape",
		Short:         "Call code that runs inside a trusted execution environment, and know which code answered",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newEnclaveCommand(), newRunCommand(), newVerifyCommand())
	return root
}
