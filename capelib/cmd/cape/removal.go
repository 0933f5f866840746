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
		list := strings.Replace(command.CommandPath(), "delete", "list", 1)
		if strings.Contains(args[0], "/") {
			return usagef("%s is a name: give the id, which %s shows", shown(args[0]), list)
		}
		options, err := flags.options()
		if err != nil {
			return err
		}
		ctx, stop := e.untilInterrupted(command.Context())
		defer stop()
		if err := remove(ctx, options, args[0]); err != nil {
			return notAnID(args[0], list, err)
		}
		return e.print(map[string]string{"deleted": args[0]}, func(w io.Writer) { _, _ = io.WriteString(w, "deleted "+args[0]+"\n") })
	}
	flags.register(command)
	return command
}

// idLength is that of the ids of functions and tokens.
const idLength = 22

// notAnID says that what was not found is no id, if so it seems.
func notAnID(argument, list string, err error) error {
	if failure := capelib.AsError(err); failure.Reason == "connect.not_found" && len(argument) != idLength {
		return capelib.NewError(failure.Reason, failure.Message+"; "+argument+" looks like a name: give the id, which "+list+" shows")
	}
	return err
}
