package main

import (
	"cmp"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/capelib"
)

func newListCommand(e *environment) *cobra.Command {
	flags := serviceFlags{environment: e}
	var limit, offset int
	command := &cobra.Command{
		Use:   "list",
		Short: "List your functions",
		Long: `List prints the functions of the token's owner, the newest first, as the service names them. One has
no name, shown as -, when a newer one has taken it: run it by its id. Nothing is attested here.

` + exitStatus,
		Example: `  cape list --url ws://127.0.0.1:8765 --token $TOKEN
  cape list --limit 10 --offset 10 -o json`,
		Args: exactly(0, "list takes no arguments"),
		RunE: func(command *cobra.Command, _ []string) error {
			if limit < 1 || limit > 1000 {
				return usagef("--limit %d: give 1 to 1000", limit)
			}
			if offset < 0 {
				return usagef("--offset %d: give 0 or more", offset)
			}
			options, err := flags.options()
			if err != nil {
				return err
			}
			ctx, stop := e.untilInterrupted(command.Context())
			defer stop()
			functions, err := capelib.List(ctx, options, limit, offset)
			if err != nil {
				return err
			}
			value := map[string]any{"deployments": functions, "count": len(functions)}
			return e.print(value, func(w io.Writer) {
				rows := [][]string{{"NAME", "ID", "CREATED AT"}}
				for _, f := range functions {
					rows = append(rows, []string{cmp.Or(f.Name, "-"), f.ID, shownTime(&f.CreatedAt)})
				}
				table(w, rows)
			})
		},
	}
	flags.register(command)
	command.Flags().IntVar(&limit, "limit", 50, "`NUMBER` of functions at most, up to 1000")
	command.Flags().IntVar(&offset, "offset", 0, "`NUMBER` of functions to leave out at the start")
	return command
}

func newDeleteCommand(e *environment) *cobra.Command {
	return newRemoval(e, capelib.Delete, cobra.Command{
		Short:   "Delete a function",
		Long:    "Delete removes a function, by its id. It can be run no more, and its name leads to no other one.\n\n" + exitStatus,
		Example: `  cape delete $FUNCTION --url ws://127.0.0.1:8765 --token $TOKEN`,
		Args:    exactly(1, "name one function by its id; 'cape list' shows it"),
	})
}

func newFunctionCommand(e *environment) *cobra.Command {
	command := &cobra.Command{
		Use:     "function",
		Short:   "Begin a function",
		Long:    "Function has a command that begins a function.\n\n" + exitStatus,
		Example: `  cape function create echo`,
		Args:    noSuchCommand,
		RunE:    wantsCommand,
	}
	var language string
	create := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a folder with a function to begin with",
		Long: `Create makes a folder, which must not be there yet, with an app.py whose function returns its
input, and an empty requirements.txt, which is for you: nothing installs what it names.

` + exitStatus,
		Example: `  cape function create echo`,
		Args:    exactly(1, "give the NAME of one folder"),
		RunE: func(_ *cobra.Command, args []string) error {
			if language != "python" {
				return usagef("--language %s: python is the only one", language)
			}
			if err := createFunction(args[0]); err != nil {
				return err
			}
			return e.print(map[string]string{"folder": args[0]}, func(w io.Writer) {
				_, _ = io.WriteString(w, "made "+args[0]+": try it with 'cape enclave "+args[0]+"'\n")
			})
		},
	}
	create.Flags().StringVarP(&language, "language", "l", "python", "`LANGUAGE` of the function: python")
	offer(create, "language", "python")
	command.AddCommand(create)
	return command
}

// functionName is what a folder is called that can be deployed without another name.
var functionName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$`)

const skeleton = `def cape_handler(input: bytes) -> bytes:
    return input
`

func createFunction(folder string) error {
	if name := filepath.Base(folder); !functionName.MatchString(name) {
		return usagef("%s is no name of a function: letters, digits, '_', '.' and '-' may stand in one, and it does not begin with a dot", shown(name))
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return usagef("%s cannot be made: %v", folder, because(err))
	}
	for name, content := range map[string]string{"app.py": skeleton, "requirements.txt": ""} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			return usagef("%v", err)
		}
	}
	return nil
}
