package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/capelib"
)

// usernameClaim is where a token names its owner.
const usernameClaim = "https://capeprivacy.com/username"

type deployFlags struct {
	attestedFlags
	name     string
	public   bool
	policyTo string
}

func newDeployCommand(e *environment) *cobra.Command {
	flags := deployFlags{}
	flags.environment, flags.policy.noFunction = e, true
	command := &cobra.Command{
		Use:   "deploy DIR|ZIP",
		Short: "Deploy a function to an attested enclave",
		Long: `Deploy sends a folder that has an app.py, or a zip of one, to an enclave, encrypted to the Cape
key that the enclave attests. The zip of a folder is made as it is sent, with every file in it:
there is no list of files to leave out.

It prints the function's id, its checksum, which is SHA-256 of that zip, and its name, and then a
policy that accepts this function in this enclave and nothing else; --write-policy puts that into
a file for 'cape run --policy'. The name is left out where neither the token nor the service tells
whose it is. A name that is taken means the newest function; older ones stay under their ids until
they are deleted, do not get the name back, and are listed without one.

The policy for this cannot pin a function's checksum: there is no function yet to state one.
Refused are an empty folder, a link that leads out of it, a file that is not a zip, and what has
more than 1,000,000,000 bytes unpacked.

` + exitStatus,
		Example: `  cape deploy ./echo --url ws://127.0.0.1:8765 --attestation-root root.pem --pcr 0:$PCR0
  cape deploy ./echo --policy enclave.json --name echo2 --write-policy echo2.json -o json`,
		Args: exactly(1, "name one folder or zip"),
		RunE: func(command *cobra.Command, args []string) error { return flags.deploy(command, args[0]) },
	}
	flags.register(command)
	f := command.Flags()
	f.StringVarP(&flags.name, "name", "n", "", "`NAME` of the function; the folder's, up to its first dot, if it is not given")
	f.BoolVar(&flags.public, "public", false, "let anyone call the function")
	f.StringVar(&flags.policyTo, "write-policy", "", "write the policy that pins the function to `FILE`")
	return command
}

// fullName is the name of a function with its user: the one that the token names or, where it names
// none, that of which the service says so in its list; "": nobody says so.
func fullName(ctx context.Context, options capelib.Options, deployed *capelib.Deployed) string {
	if user := claim(options.Token, usernameClaim); user != "" {
		return user + "/" + deployed.Name
	}
	functions, err := capelib.List(ctx, options, 0, 0)
	if err != nil {
		return ""
	}
	for _, f := range functions {
		if f.ID == deployed.ID && strings.HasSuffix(f.Name, "/"+deployed.Name) {
			return f.Name
		}
	}
	return ""
}

// deployedFunction is the result in JSON.
type deployedFunction struct {
	ID       string        `json:"function_id"`
	Checksum string        `json:"function_checksum"`
	Name     string        `json:"function_name"`
	Policy   pinningPolicy `json:"policy"`
}

// pinningPolicy accepts one function in one build of an enclave.
type pinningPolicy struct {
	FunctionChecksum string              `json:"function_checksum"`
	PCRs             map[string][]string `json:"pcrs"`
	AllowDebug       bool                `json:"allow_debug,omitempty"`
}

func (flags *deployFlags) deploy(command *cobra.Command, path string) error {
	options, err := flags.options()
	if err != nil {
		return err
	}
	if flags.policyTo != "" {
		if err := checkWritable(flags.policyTo); err != nil {
			return err
		}
	}
	ctx, stop := flags.environment.untilInterrupted(command.Context())
	defer stop()
	deployed, err := capelib.Deploy(ctx, options, capelib.Deployment{
		Path: path, Name: flags.name, Public: flags.public, Progress: flags.environment.progress("deploying"),
	})
	if failure := capelib.AsError(err); failure != nil && failure.Reason == "argument.function" {
		return capelib.NewError(failure.Reason, failure.Message+" with --name")
	}
	if err != nil {
		return err
	}
	result := deployedFunction{ID: deployed.ID, Checksum: hex.EncodeToString(deployed.Checksum), Name: deployed.Name}
	if !strings.Contains(deployed.Name, "/") {
		result.Name = fullName(ctx, options, deployed)
	}
	result.Policy = pinningPolicy{FunctionChecksum: result.Checksum, PCRs: map[string][]string{}, AllowDebug: deployed.Report.DebugMode}
	for _, index := range []string{"0", "1", "2"} {
		if value, found := deployed.Report.PCRs[index]; found {
			result.Policy.PCRs[index] = []string{value}
		}
	}
	policy, err := json.MarshalIndent(result.Policy, "", "  ")
	if err != nil {
		return err
	}
	policy = append(policy, '\n')
	err = flags.environment.print(result, func(w io.Writer) {
		rows := [][]string{{"function_id", result.ID}, {"function_checksum", result.Checksum}}
		if result.Name != "" {
			rows = append(rows, []string{"function_name", result.Name})
		}
		table(w, rows)
		if flags.policyTo == "" {
			_, _ = io.WriteString(w, "\npolicy that pins it, for 'cape run --policy FILE':\n"+string(policy))
		}
	})
	if err != nil || flags.policyTo == "" {
		return err
	}
	return replaceFile(flags.policyTo, policy)
}
