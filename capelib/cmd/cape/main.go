// Command cape calls functions in a trusted execution environment, and runs a local enclave to
// try them on. 'cape help' lists what it does.
//
// Exit status: 0 success; 1 the enclave, the function or the network said no; 2 the command line
// is not usable, or a file cannot be read or written; 130 and 143 it was ended by SIGINT or SIGTERM.
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
or a file cannot be used; 130 and 143 it was ended by SIGINT (Ctrl-C) or SIGTERM.`

const (
	exitRefused = 1
	exitUsage   = 2
)

// extra are the commands of builds for a purpose of their own.
var extra []*cobra.Command

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	var e environment
	root := newRootCommand(&e)
	root.SetArgs(args)
	command, err := root.ExecuteC()
	if e.verbose {
		for _, record := range capelib.Log(0) {
			fmt.Fprintf(os.Stderr, "cape: %s: %s\n", record.Level, record.Message)
		}
	}
	if err == nil {
		return 0
	}
	e.bar.end()
	status := explain(command, err)
	if signalled := e.signalled(); signalled != 0 {
		return 128 + int(signalled)
	}
	return status
}

// explain says in one line what went wrong, and gives the exit status.
func explain(command *cobra.Command, err error) int {
	var failure *capelib.Error
	var usage usageError
	switch {
	case errors.Is(err, errRefused):
		return exitRefused
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "cape: %v\n", usage)
		return exitUsage
	case errors.As(err, &failure):
		message := strings.Replace(failure.Message, "(insecure_ws)", "(--insecure-ws)", 1)
		fmt.Fprintf(os.Stderr, "cape: %s%s (%s)\n", message, hint(command, failure), failure.Reason)
		if failure.Code == capelib.CodeArgument {
			return exitUsage
		}
		return exitRefused
	default:
		// What cobra itself reports.
		fmt.Fprintf(os.Stderr, "cape: %s\n", strings.Join(strings.Fields(err.Error()), " "))
		return exitUsage
	}
}

// hint names the flag that helps, where the library cannot know it.
func hint(command *cobra.Command, failure *capelib.Error) string {
	switch {
	case failure.Code == capelib.CodeTimeout && command.Flags().Lookup("timeout") != nil:
		return "; --timeout allows more"
	case failure.Code == capelib.CodeAuth && !strings.Contains(failure.Message, "log in"):
		return "; give a --token that is good for this, or run 'cape login'"
	case failure.Reason == "tls.unknown_authority":
		return "; --tls-ca names one to trust"
	case failure.Reason == "chain.root":
		return "; --attestation-root names one to trust"
	}
	return ""
}

// refuseEmpty refuses flags that say what to trust or to demand, and say nothing: a script's
// variable that is not set must not make a check disappear.
func refuseEmpty(command *cobra.Command) error {
	for _, name := range []string{"args", "at", "attestation-root", "config", "file", "function", "function-checksum", "key-policy-checksum", "name", "nonce", "pcr",
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
	offer(root, "output", "plain", "json")
	root.Args = noSuchCommand
	root.RunE = func(command *cobra.Command, _ []string) error { return command.Help() }
	root.SetFlagErrorFunc(badFlag)
	root.AddCommand(newEnclaveCommand(), newRunCommand(e), newVerifyCommand(e), newDeployCommand(e), newTestCommand(e),
		newKeyCommand(e), newEncryptCommand(e), newListCommand(e), newDeleteCommand(e), newTokenCommand(e),
		newFunctionCommand(e), newConfigCommand(e), newPCRsCommand(e), newVersionCommand(e), newLoginCommand(e), newSignupCommand())
	root.AddCommand(extra...)
	root.SetHelpCommand(newHelpCommand())
	root.CompletionOptions.HiddenDefaultCmd = true
	root.InitDefaultCompletionCmd()
	for _, command := range root.Commands() {
		if command.Name() == "completion" {
			command.Args, command.RunE = noSuchCommand, wantsCommand
		}
	}
	return root
}

func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Tell about a command",
		Long:  "Help tells about a command, as the flag --help does.",
		ValidArgsFunction: func(command *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if about, _, err := command.Root().Find(args); err == nil {
				for _, sub := range about.Commands() {
					if sub.IsAvailableCommand() {
						names = append(names, sub.Name()+"\t"+sub.Short)
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(command *cobra.Command, args []string) error {
			about, rest, err := command.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return noSuchCommand(about, rest)
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
	}
}
