package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/capelib"
)

// newRemoval completes a command that removes one thing, which its argument names by its id.
func newRemoval(e *environment, remove func(context.Context, capelib.Options, string) error, texts cobra.Command) *cobra.Command {
	flags := serviceFlags{environment: e}
	command := &texts
	command.Use = "delete ID"
	command.RunE = func(command *cobra.Command, args []string) error {
		if strings.Contains(args[0], "/") {
			return usagef("%s is a name: give the id, which %s shows", shown(args[0]), strings.Replace(command.CommandPath(), "delete", "list", 1))
		}
		options, err := flags.options()
		if err != nil {
			return err
		}
		ctx, stop := e.untilInterrupted(command.Context())
		defer stop()
		if err := remove(ctx, options, args[0]); err != nil {
			return err
		}
		return e.print(map[string]string{"deleted": args[0]}, func(w io.Writer) { _, _ = io.WriteString(w, "deleted "+args[0]+"\n") })
	}
	flags.register(command)
	return command
}
