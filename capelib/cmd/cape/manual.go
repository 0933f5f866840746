//go:build manual

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Built with the tag manual, cape has a command that writes its man pages and its completions for
// shells, in the folders that belong below PREFIX/share. The Makefile runs it; the cape that is
// installed is built without, and holds none of this.
//
// The pages are written here and not by cobra/doc, because that reads the commands' texts as
// Markdown, which they are not, and shows a flag's default where its value's name belongs.
func init() {
	extra = append(extra, &cobra.Command{
		Use: "manual DIR", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return errors.Join(writePages(command.Root(), filepath.Join(args[0], "man", "man1")),
				writeCompletions(command.Root(), args[0]))
		},
	})
}

// writeCompletions writes a script for each shell, into the folder where that shell looks.
func writeCompletions(root *cobra.Command, share string) error {
	var failures []error
	for path, write := range map[string]func(io.Writer) error{
		"bash-completion/completions/cape":    func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh/site-functions/_cape":            root.GenZshCompletion,
		"fish/vendor_completions.d/cape.fish": func(w io.Writer) error { return root.GenFishCompletion(w, true) },
	} {
		var script bytes.Buffer
		failures = append(failures, write(&script), writeFile(filepath.Join(share, filepath.FromSlash(path)), script.Bytes()))
	}
	return errors.Join(failures...)
}

func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

// writePages writes the page of a command, and those of its own commands, into a folder.
func writePages(command *cobra.Command, folder string) error {
	for _, sub := range command.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			if err := writePages(sub, folder); err != nil {
				return err
			}
		}
	}
	return writeFile(filepath.Join(folder, pageName(command)+".1"), []byte(page(command)))
}

func pageName(command *cobra.Command) string {
	return strings.ReplaceAll(command.CommandPath(), " ", "-")
}

// page gives the page of a command in the macros of man(7).
func page(command *cobra.Command) string {
	var roff strings.Builder
	name := pageName(command)
	fmt.Fprintf(&roff, ".TH \"%s\" 1 \"\" \"libcape %s\" \"libcape\"\n", escape(strings.ToUpper(name)), escape(version))
	fmt.Fprintf(&roff, ".SH NAME\n%s \\- %s\n", escape(name), escape(command.Short))
	fmt.Fprintf(&roff, ".SH SYNOPSIS\n.B %s\n", escape(command.CommandPath()))
	command.InitDefaultHelpFlag()
	command.InitDefaultVersionFlag()
	if _, arguments, found := strings.Cut(command.Use, " "); found {
		fmt.Fprintf(&roff, "[\\fIOPTION\\fR...] \\fI%s\\fR\n", escape(arguments))
	} else if command.HasAvailableSubCommands() {
		roff.WriteString("\\fICOMMAND\\fR [\\fIOPTION\\fR...] [\\fIARGUMENT\\fR...]\n")
	}
	description := command.Long
	if description == "" {
		description = command.Short + "."
	}
	fmt.Fprintf(&roff, ".SH DESCRIPTION\n%s\n", strings.ReplaceAll(escape(description), "\n\n", "\n.PP\n"))
	var related []string
	if command.HasParent() {
		related = append(related, pageName(command.Parent()))
	}
	if command.HasAvailableSubCommands() {
		roff.WriteString(".SH COMMANDS\n")
		for _, sub := range command.Commands() {
			if sub.IsAvailableCommand() && sub.Name() != "help" {
				fmt.Fprintf(&roff, ".TP\n.B %s\n%s.\n", escape(sub.Name()), escape(sub.Short))
				related = append(related, pageName(sub))
			}
		}
	}
	roff.WriteString(".SH OPTIONS\n")
	command.LocalFlags().VisitAll(func(flag *pflag.Flag) { option(&roff, flag) })
	command.InheritedFlags().VisitAll(func(flag *pflag.Flag) { option(&roff, flag) })
	if command.Example != "" {
		fmt.Fprintf(&roff, ".SH EXAMPLES\n.nf\n%s\n.fi\n", escape(command.Example))
	}
	roff.WriteString(".SH \"SEE ALSO\"\n")
	for i, other := range related {
		fmt.Fprintf(&roff, ".BR %s (1)%s\n", escape(other), strings.Repeat(" ,", min(1, len(related)-1-i)))
	}
	return roff.String()
}

// option describes a flag, with the name that its text gives the value.
func option(roff *strings.Builder, flag *pflag.Flag) {
	if flag.Hidden {
		return
	}
	value, text := pflag.UnquoteUsage(flag)
	roff.WriteString(".TP\n")
	if flag.Shorthand != "" {
		fmt.Fprintf(roff, "\\fB%s\\fR, ", escape("-"+flag.Shorthand))
	}
	fmt.Fprintf(roff, "\\fB%s\\fR", escape("--"+flag.Name))
	if value != "" {
		fmt.Fprintf(roff, " \\fI%s\\fR", escape(value))
	}
	switch flag.DefValue {
	case "", "false", "[]":
	default:
		text += " (default " + flag.DefValue + ")"
	}
	fmt.Fprintf(roff, "\n%s\n", escape(text))
}

// special are the characters that roff would change: into typographic ones, or into commands.
var special = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`,
	"\n.", "\n\\&.")

func escape(text string) string { return special.Replace(text) }
