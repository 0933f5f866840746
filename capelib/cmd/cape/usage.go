package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError is a fault of the command line, not of what it asked for.
type usageError struct{ error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// because is what is behind an error with a file, whose name has been told already.
func because(err error) error {
	var ofPath *fs.PathError
	if errors.As(err, &ofPath) {
		return ofPath.Err
	}
	return err
}

// exactly wants a number of arguments.
func exactly(count int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < count:
			return usagef("%s: the argument is missing", what)
		case len(args) > count:
			return usagef("%s: %q is one too many", what, args[count])
		case count > 0 && strings.TrimSpace(args[0]) == "":
			return usagef("%s: the argument is empty", what)
		}
		return nil
	}
}

// wantsCommand is for commands that have others and do nothing themselves.
func wantsCommand(command *cobra.Command, _ []string) error {
	var names []string
	for _, sub := range command.Commands() {
		names = append(names, sub.Name())
	}
	return usagef("say what to do: cape %s %s", command.Name(), strings.Join(names, "|"))
}

// noSuchCommand refuses the arguments of a command that has others: the first is none of these.
func noSuchCommand(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("there is no command %q: %s'%s --help' lists them",
		strings.TrimPrefix(command.CommandPath()+" "+args[0], "cape "), meant(command, "", args[0]), command.CommandPath())
}

// meant asks whether one of the commands of another was meant, if a name is like it.
func meant(of *cobra.Command, prefix, name string) string {
	of.SuggestionsMinimumDistance = 2
	var similar []string
	for _, suggestion := range of.SuggestionsFor(name) {
		similar = append(similar, prefix+suggestion)
	}
	if len(similar) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(similar, " or ") + "? "
}

// asCommands are names as if they were commands, so that the same notion of likeness counts.
func asCommands(names []string) *cobra.Command {
	commands := &cobra.Command{}
	for _, name := range names {
		commands.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	return commands
}

// offer has shells complete the value of a flag.
func offer(command *cobra.Command, flag string, values ...string) {
	if err := command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // there is no such flag: a defect that every start meets
	}
}

// badFlag puts what is wrong with a flag into words.
func badFlag(command *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return usagef("%s has no flag -%s: '%s --help' lists them", command.Name(), unknown.GetSpecifiedName(), command.CommandPath())
	case errors.As(err, &unknown):
		var flags []string
		command.Flags().VisitAll(func(flag *pflag.Flag) {
			if !flag.Hidden {
				flags = append(flags, flag.Name)
			}
		})
		name := unknown.GetSpecifiedName()
		return usagef("%s has no flag --%s: %s'%s --help' lists them", command.Name(), name, meant(asCommands(flags), "--", name), command.CommandPath())
	case errors.As(err, &missing):
		return usagef("--%s lacks its value: %s", missing.GetFlag().Name, wanted(missing.GetFlag()))
	case errors.As(err, &invalid):
		return usagef("--%s %s: %s", invalid.GetFlag().Name, invalid.GetValue(), wanted(invalid.GetFlag()))
	}
	return usageError{err}
}

// wanted says what a flag takes.
func wanted(flag *pflag.Flag) string {
	switch flag.Value.Type() {
	case "duration":
		return "give a time with its unit, such as 90s or 720h"
	case "int", "int64":
		return "give a whole number"
	case "size":
		return "give a number of bytes, or one with KiB, MiB or GiB, such as 64MiB"
	case "bool":
		return "give true or false, or nothing"
	}
	_, text := pflag.UnquoteUsage(flag)
	return text
}
