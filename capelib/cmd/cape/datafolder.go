package main

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/core/enclave/service"
	"github.com/libcape/libcape/core/enclave/store"
	"github.com/libcape/libcape/core/wire"
)

// serviceOptions are the flags of 'cape enclave' that make it a service.
type serviceOptions struct {
	data     string
	auth     bool
	keys     []string
	audience string
	user     string
}

func (o *serviceOptions) register(command *cobra.Command) {
	f := command.Flags()
	f.StringVar(&o.data, "data", "", "keep functions, tokens and keys in `DIR`, so that clients can deploy")
	f.BoolVar(&o.auth, "auth", false, "refuse callers without a valid token")
	f.StringArrayVar(&o.keys, "auth-keys", nil, "accept access tokens that a public key in `FILE` (PEM, or a JSON Web Key Set) has signed; implies --auth")
	f.StringVar(&o.audience, "auth-audience", "", "accept only such access tokens as are for `AUDIENCE`")
	f.StringVar(&o.user, "user", service.DefaultUser, "`NAME` of the user whose token --auth makes at the start")
}

// check refuses flags that contradict each other, or say nothing.
func (o *serviceOptions) check(command *cobra.Command) error {
	for _, name := range []string{"data", "auth-keys", "auth-audience", "user"} {
		flag := command.Flags().Lookup(name)
		if flag.Changed && (flag.Value.String() == "" || flag.Value.String() == "[]") {
			return usagef("--%s is empty: give a value, or leave the flag out", name)
		}
	}
	o.auth = o.auth || len(o.keys) > 0
	switch {
	case o.data == "" && (o.auth || command.Flags().Changed("user")):
		return usagef("--auth, --auth-keys and --user need --data: tokens are kept there")
	case o.audience != "" && len(o.keys) == 0:
		return usagef("--auth-audience needs --auth-keys: it is about their tokens")
	}
	return nil
}

// openedService is a service with the store below it, and the token that was made at its start.
type openedService struct {
	*service.Service
	store *store.Folder
	token string // empty: none is needed
}

// firstToken is the name of the token that is made at each start, in place of that of the last.
const firstToken = "made by cape enclave at its start"

// open opens the data folder; nil: there is none.
func (o *serviceOptions) open(log *slog.Logger) (*openedService, error) {
	if o.data == "" {
		return nil, nil
	}
	var issuers []service.Issuer
	for _, path := range o.keys {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, usagef("the key of --auth-keys cannot be read: %v", err)
		}
		keys, err := service.ParseIssuers(text)
		if err != nil {
			return nil, usagef("the keys in %s cannot be used: %v", path, err)
		}
		issuers = append(issuers, keys...)
	}
	folder, err := store.Open(o.data)
	if err != nil {
		return nil, usageError{err}
	}
	opened := &openedService{store: folder}
	opened.Service, err = service.New(service.Options{
		Store: folder, Auth: o.auth, Issuers: issuers, Audience: o.audience, Log: log,
	})
	if err == nil && o.auth {
		opened.token, err = opened.makeToken(o.user)
	}
	if err != nil {
		_ = folder.Close()
		return nil, usageError{err}
	}
	if !o.auth {
		log.Warn("any token is accepted: --auth refuses callers without a valid one")
	}
	return opened, nil
}

// makeToken makes the token of this start, and revokes those of earlier ones, whoever they were for.
func (s *openedService) makeToken(user string) (string, error) {
	for _, earlier := range s.store.TokensNamed(firstToken) {
		if err := s.store.DeleteToken(earlier.ID); err != nil {
			return "", err
		}
	}
	return s.CreateToken(user, wire.TokenRequest{Name: firstToken})
}

// The files of the ready line.
const (
	rootFile      = "attestation-root.pem"
	authorityFile = "tls-ca.pem"
	tokenFile     = "token"
)

// readyFolder makes the folder for the files of the ready line, which remove removes. In that of a data
// folder they take the place of those that an enclave has left which was killed. Whatever else is there
// is somebody else's, and stays.
func (o *serviceOptions) readyFolder() (folder string, remove func(), err error) {
	if o.data == "" {
		folder, err = os.MkdirTemp("", "cape-enclave-")
	} else if folder, err = filepath.Abs(filepath.Join(o.data, "ready")); err == nil {
		err = os.MkdirAll(folder, 0o700)
	}
	empty := func() {
		for _, name := range []string{rootFile, authorityFile, tokenFile} {
			_ = os.Remove(filepath.Join(folder, name))
		}
	}
	empty()
	return folder, func() {
		empty()
		_ = os.Remove(folder)
	}, err
}
