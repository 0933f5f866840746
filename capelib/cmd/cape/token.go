package main

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/capelib"
)

func newTokenCommand(e *environment) *cobra.Command {
	command := &cobra.Command{
		Use:     "token",
		Short:   "Make, list and delete personal access tokens",
		Long:    "Token has commands for the personal access tokens of whoever the token in use belongs to.\n\n" + exitStatus,
		Example: `  cape token create --name laptop --expiry 720h`,
		Args:    noSuchCommand,
		RunE:    wantsCommand,
	}
	command.AddCommand(newTokenCreateCommand(e), newTokenListCommand(e), newTokenDeleteCommand(e))
	return command
}

func newTokenCreateCommand(e *environment) *cobra.Command {
	flags := serviceFlags{environment: e}
	var wanted capelib.TokenRequest
	var expiry time.Duration
	command := &cobra.Command{
		Use:   "create",
		Short: "Make a token, and print it",
		Long: `Create makes a token and prints it, and nothing else. It is a secret that cannot be shown again:
keep it, or delete it and make another.

` + exitStatus,
		Example: `  cape token create --name laptop --url ws://127.0.0.1:8765 --token $TOKEN
  cape token create --name ci --description "runs echo" --expiry 720h --function $FUNCTION`,
		Args: exactly(0, "token create takes no arguments: give --name"),
		RunE: func(command *cobra.Command, _ []string) error {
			if command.Flags().Changed("expiry") {
				if expiry <= 0 {
					return usagef("--expiry %s: give a time from now on, such as 720h", expiry)
				}
				wanted.Expiry = time.Now().Add(expiry)
			}
			if wanted.Name == "" {
				return usagef("--name is missing: say what the token is for")
			}
			if strings.Contains(wanted.Function, "/") {
				return usagef("--function %s is a name: give the function's id, which 'cape list' shows", shown(wanted.Function))
			}
			options, err := flags.options()
			if err != nil {
				return err
			}
			ctx, stop := e.untilInterrupted(command.Context())
			defer stop()
			token, err := capelib.CreateToken(ctx, options, wanted)
			if err != nil {
				return err
			}
			return e.print(map[string]string{"token": token}, func(w io.Writer) { _, _ = io.WriteString(w, token+"\n") })
		},
	}
	flags.register(command)
	f := command.Flags()
	f.StringVarP(&wanted.Name, "name", "n", "", "`NAME` of the token (required)")
	f.StringVarP(&wanted.Description, "description", "d", "", "`TEXT` that says what the token is for")
	f.DurationVarP(&expiry, "expiry", "e", 0, "`TIME` after which the token ends, such as 720h or 90m; without it, it does not")
	f.StringVarP(&wanted.Function, "function", "f", "", "`ID` of the one function that the token is for")
	return command
}

func newTokenListCommand(e *environment) *cobra.Command {
	flags := serviceFlags{environment: e}
	command := &cobra.Command{
		Use:     "list",
		Short:   "List your tokens, but not the secrets themselves",
		Long:    "List prints what is known of each token.\n\n" + exitStatus,
		Example: `  cape token list --url ws://127.0.0.1:8765 --token $TOKEN`,
		Args:    exactly(0, "token list takes no arguments"),
		RunE: func(command *cobra.Command, _ []string) error {
			options, err := flags.options()
			if err != nil {
				return err
			}
			ctx, stop := e.untilInterrupted(command.Context())
			defer stop()
			tokens, err := capelib.ListTokens(ctx, options)
			if err != nil {
				return err
			}
			value := map[string]any{"tokens": tokens, "count": len(tokens)}
			return e.print(value, func(w io.Writer) {
				rows := [][]string{{"NAME", "DESCRIPTION", "ID", "CREATED AT", "EXPIRY", "LAST USED"}}
				for _, t := range tokens {
					rows = append(rows, []string{t.Name, t.Description, t.ID, shownTime(&t.CreatedAt), shownTime(t.Expiry), shownTime(t.LastUsed)})
				}
				table(w, rows)
			})
		},
	}
	flags.register(command)
	return command
}

func newTokenDeleteCommand(e *environment) *cobra.Command {
	return newRemoval(e, capelib.DeleteToken, cobra.Command{
		Short:   "Revoke a token",
		Long:    "Delete revokes a token, by its id. It opens nothing any more.\n\n" + exitStatus,
		Example: `  cape token delete $ID --url ws://127.0.0.1:8765 --token $TOKEN`,
		Args:    exactly(1, "name one token by its id; 'cape token list' shows it"),
	})
}
