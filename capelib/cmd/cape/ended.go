package main

import "github.com/spf13/cobra"

// What the original command offered for the service of its makers, which has ended: it is accepted,
// and refused with what to do in its place.

func newSignupCommand() *cobra.Command {
	return &cobra.Command{
		Use: "signup", Hidden: true, DisableFlagParsing: true,
		Short: "Is no more",
		RunE: func(*cobra.Command, []string) error {
			return usagef("there is nowhere to sign up, as the hosted service has ended: log in at an issuer of your own with 'cape login --url ADDRESS', or run a service with 'cape enclave --data DIR'")
		},
	}
}

// endedFlag is a flag that only the hosted service understood.
func endedFlag(command *cobra.Command, name, shorthand, instead string) {
	f := command.Flags()
	f.StringP(name, shorthand, "", "leave it out: it was for the hosted service, which has ended")
	_ = f.MarkHidden(name)
	refuse := command.Args
	command.Args = func(command *cobra.Command, args []string) error {
		if command.Flags().Changed(name) {
			return usagef("--%s was for the hosted service, which has ended: %s", name, instead)
		}
		return refuse(command, args)
	}
}
