package main

import (
	"encoding/json"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
)

func newConfigCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "config [KEY [VALUE]]",
		Short: "Show the settings, or keep one",
		Long: `Config shows the settings in effect: all, or that of KEY. With VALUE it keeps one in the presets,
presets.json in ~/.config/cape unless --config names another file; an empty VALUE removes it.

A flag counts before the environment, that before the presets, and these before the default. Give
files by their whole paths: any other is looked for in the folder in which a command runs. The
settings, with the variables of the environment:
` + settingsHelp() + `
` + exitStatus,
		Example: `  cape config enclave_host wss://enclave.example.com
  cape config enclave_host
  cape config -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 2 {
				return usagef("give a KEY and a VALUE at most; there are %d arguments", len(args))
			}
			if len(args) > 0 && !slices.ContainsFunc(settings, func(s setting) bool { return s.name == args[0] }) {
				return usagef("there is no setting %q: 'cape config' lists them", args[0])
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, s := range settings {
				if len(args) == 0 {
					names = append(names, s.name+"\t"+s.about)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 2 {
				if err := checkSetting(args[0], args[1]); err != nil {
					return err
				}
				return e.keepPreset(args[0], args[1])
			}
			values := make(map[string]string)
			var rows [][]string
			for _, s := range settings {
				if len(args) == 0 || args[0] == s.name {
					values[s.name] = e.get(s.name)
					rows = append(rows, []string{s.name, values[s.name]})
				}
			}
			return e.print(values, func(w io.Writer) {
				if len(args) == 1 {
					_, _ = io.WriteString(w, shown(rows[0][1])+"\n")
					return
				}
				table(w, rows)
			})
		},
	}
}

func settingsHelp() string {
	text := ""
	for _, s := range settings {
		text += "\n  " + s.name + " (" + s.env[0] + "): " + s.about
	}
	return text + "\n"
}

// checkSetting refuses an address that is none, which every command after this would stumble over.
func checkSetting(name, value string) error {
	example := map[string]string{"enclave_host": "wss://enclave.example.com", "auth_host": "https://issuer.example.com"}[name]
	if example == "" || value == "" {
		return nil
	}
	if address, err := url.Parse(value); err != nil || address.Scheme == "" || address.Host == "" {
		return usagef("%s %s: give an address with its scheme, such as %s", name, shown(value), example)
	}
	return nil
}

// keepPreset changes one of the presets, and leaves what it does not know as it is.
func (e *environment) keepPreset(name, value string) error {
	path, named := e.presetsPath()
	if path == "" {
		return e.keep("presets.json", nil) // says what is missing
	}
	values := make(map[string]any)
	if content, err := os.ReadFile(path); err == nil && len(content) > 0 {
		if err := json.Unmarshal(content, &values); err != nil {
			return usagef("the presets in %s are not a JSON object: %v", path, err)
		}
	}
	values[name] = value
	if value == "" {
		delete(values, name)
	}
	content, err := json.MarshalIndent(values, "", "  ")
	if err != nil {
		return err
	}
	if named {
		return replaceFile(path, append(content, '\n'))
	}
	return e.keep(filepath.Base(path), append(content, '\n'))
}
