package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/core/enclave"
)

// enclaveFlags are those of 'cape enclave'.
type enclaveFlags struct {
	listen string
	tls    bool
	python string
	faults []string

	requireSandbox bool
	service        serviceOptions
	limits         limitFlags
}

func newEnclaveCommand() *cobra.Command {
	var flags enclaveFlags
	command := &cobra.Command{
		Use:   "enclave [DIR...]",
		Short: "Run a local enclave that serves functions from folders, or those that clients deploy",
		Long: `Enclave serves each folder, which has an app.py with a cape_handler, as local/<folder name>.

It speaks the whole protocol, with a simulated security module and an attestation root that is
fresh on each start: it is for developing and testing, and only clients that are given its root
trust it. Functions have no network and see no files but their own and the interpreter's, as far
as the kernel grants that; the log says what it does not grant.

With --data it is a service: clients deploy functions to it, encrypt for it and have tokens made,
and all that outlives it. What is in the data folder is secret. Any token is accepted, and names
whoever it says; with --auth only tokens that the enclave made, or that a key of --auth-keys
signed. The first of its own is in a file that the ready line names; it is made anew on each start,
and that of the last start is revoked. 'cape token create' makes tokens that last. A token
that a key of --auth-keys signed has to expire, and its user is the claim
https://capeprivacy.com/username, or else sub; never nickname, which users may choose.

When it is ready it prints one line of JSON on standard output: "url", "attestation_root" and,
with --tls, "tls_ca" (paths of PEM files that last as long as the enclave), "functions" (those of
the folders that were named; 'cape list' shows those of the data folder) and "pcrs"; with --auth
also "token", the path of a file with one. The files are in the folder "ready" of the data folder,
if there is one, and so have the same paths at the next start. Logs go to standard error.

The limits are for each connection, and hold as far as the kernel grants them. A SIZE is a number
of bytes, or one with KiB, MiB or GiB; a TIME has its unit, such as 90s.

Exit status: 0 it was ended by SIGINT or SIGTERM; 2 it cannot start.`,
		Example: `  cape enclave ./echo
  cape enclave --tls --python venv/bin/python ./echo ./pythagorean
  cape enclave --data ./data --auth --user ada --listen 127.0.0.1:8765
  cape enclave --max-input 16MiB --memory 512MiB --cpu-time 10s --call-time 1m --workers 4 ./echo`,
		Args: func(command *cobra.Command, args []string) error {
			if err := flags.service.check(command); err != nil {
				return err
			}
			if len(args) == 0 && flags.service.data == "" {
				return usagef("name one folder or more, each with an app.py, or a data folder with --data")
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error {
			return flags.serve(command.Context(), args)
		},
	}
	f := command.Flags()
	f.StringVar(&flags.listen, "listen", "127.0.0.1:0", "`HOST:PORT` to listen on; port 0 takes a free one")
	f.BoolVar(&flags.tls, "tls", false, "serve wss:// under an authority of its own")
	f.StringVar(&flags.python, "python", "python3", "`INTERPRETER` that runs the functions: a path, or a name in PATH")
	f.BoolVar(&flags.requireSandbox, "require-sandbox", false, "refuse to start where the kernel does not grant all that shuts functions in")
	flags.service.register(command)
	flags.limits.register(command)
	f.StringArrayVar(&flags.faults, "fault", nil, "misbehave as `NAME` says, to test clients: "+faultNames())
	offer(command, "fault", strings.Split(faultNames(), ", ")...)
	return command
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func faultNames() string {
	var names []string
	for _, fault := range enclave.Faults() {
		names = append(names, string(fault))
	}
	return strings.Join(names, ", ")
}

func (flags *enclaveFlags) serve(ctx context.Context, folders []string) error {
	options := enclave.Options{
		Listen: flags.listen, TLS: flags.tls, RequireSandbox: flags.requireSandbox,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if err := flags.limits.apply(&options); err != nil {
		return err
	}
	if host, _, err := net.SplitHostPort(flags.listen); err == nil && !isLoopback(host) {
		if !flags.service.auth {
			options.Log.Warn("anyone who reaches this address can run the functions: --auth refuses callers without a valid token", "listen", flags.listen)
		}
		if !flags.tls {
			options.Log.Warn("tokens and results go unprotected over the network: --tls, or something in front of the enclave, protects them", "listen", flags.listen)
		}
	}
	python, err := exec.LookPath(flags.python)
	if err == nil {
		python, err = filepath.Abs(python)
	}
	if err != nil {
		return usagef("no Python interpreter: %v: name one with --python", err)
	}
	options.Python = python
	for _, folder := range folders {
		options.Functions = append(options.Functions, enclave.Function{Folder: folder})
	}
	for _, name := range flags.faults {
		fault, err := enclave.ParseFault(name)
		if err != nil {
			return usageError{err}
		}
		options.Faults = append(options.Faults, fault)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	opened, err := flags.service.open(options.Log)
	if err != nil {
		return err
	}
	token := ""
	if opened != nil {
		defer opened.store.Close()
		options.Service, token = opened, opened.token
	}
	server, err := enclave.Start(options)
	if err != nil {
		return usageError{err}
	}
	defer server.Close()
	folder, remove, err := flags.service.readyFolder()
	if err != nil {
		return usageError{err}
	}
	defer remove()
	line, err := readyLine(server.Info(), folder, token)
	if err != nil {
		return usageError{err}
	}
	if _, err := fmt.Println(line); err != nil {
		return usagef("standard output cannot be written: %v", err)
	}
	<-ctx.Done()
	return nil
}

// readyLine describes the enclave in JSON, with its certificates and the token, unless that is
// empty, written to files in folder.
func readyLine(info enclave.Info, folder, token string) (string, error) {
	described, err := json.Marshal(info)
	if err != nil {
		return "", err
	}
	var line struct {
		URL             string            `json:"url"`
		AttestationRoot string            `json:"attestation_root"`
		TLSCA           string            `json:"tls_ca,omitempty"`
		Functions       json.RawMessage   `json:"functions"`
		PCRs            map[string]string `json:"pcrs"`
		Token           string            `json:"token,omitempty"`
	}
	if err := json.Unmarshal(described, &line); err != nil {
		return "", err
	}
	line.AttestationRoot = filepath.Join(folder, rootFile)
	if err := os.WriteFile(line.AttestationRoot, info.AttestationRoot, 0o644); err != nil {
		return "", err
	}
	if len(info.TLSCA) > 0 {
		line.TLSCA = filepath.Join(folder, authorityFile)
		if err := os.WriteFile(line.TLSCA, info.TLSCA, 0o644); err != nil {
			return "", err
		}
	}
	if token != "" {
		line.Token = filepath.Join(folder, tokenFile)
		if err := os.WriteFile(line.Token, []byte(token), 0o600); err != nil {
			return "", err
		}
	}
	encoded, err := json.Marshal(line)
	return string(encoded), err
}
