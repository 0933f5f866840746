package enclave

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"io"
	"net/http"
)

// Service is what an enclave has beyond the functions of its options: accounts, tokens and a
// store of functions. Its methods are called from any number of goroutines at once. An error
// that is a [*Refusal] is passed on to the caller; any other is logged, and the caller is told of
// a failure in the enclave. ServeHTTP answers whatever is not a route of the enclave itself; the
// path it sees begins with one slash.
type Service interface {
	http.Handler

	// Authorise says who a caller is. It is asked at each handshake, before anything else.
	Authorise(ctx context.Context, c Credential) (Caller, error)
	// Lookup finds a function by its id or as "user/name". One that the caller may not run is
	// not there. It is asked again, by the id, before each request of a session that is open.
	Lookup(ctx context.Context, by Caller, reference string) (*Deployed, error)
	// Deploy keeps a function and returns its id. It is done when it returns: what the caller is
	// told outlives a crash.
	Deploy(ctx context.Context, by Caller, d Deployment) (id string, err error)
	// Key returns a user's Cape key, RSA-4096, which is made where there is none yet.
	Key(ctx context.Context, user string) (*rsa.PrivateKey, error)
}

// Credential is what a client offers in a handshake. Nothing of it has been checked.
type Credential struct {
	Scheme string // "cape.runtime" or "cape.function"
	Token  string // may be empty
}

// Caller is whom a credential stands for.
type Caller struct {
	User     string // who owns what they deploy
	Function string // the id of the only function that they may run; empty: any of the user's
	// Unproven says that any other credential would have been as good.
	Unproven bool
	// Standing says whether the credential is still good. It is asked before each request of a
	// session that is open, and before what was sent is kept; an error ends the session. nil: it stays good.
	Standing func() error
}

// Deployed is a function that a service keeps.
type Deployed struct {
	ID       string
	Name     string // "user/name"; empty: it has none
	Owner    string // whose Cape key opens the function and its inputs
	Checksum [sha256.Size]byte
	// Code opens the zip as the Cape ciphertext that arrived, and tells its size in bytes.
	Code func() (sealed io.ReadCloser, size int64, err error)
}

// Deployment is a function to keep. Its zip has been opened and found usable.
type Deployment struct {
	Name     string // without a user, or with the caller's own; empty: none
	Public   bool   // anyone with a token may run it
	TokenKey string // PEM of the key that signs tokens for it; empty: none
	Checksum [sha256.Size]byte
	// Code is Cape ciphertext in the raw form, under the caller's key. It can be read until Deploy
	// returns; nil: there is none.
	Code io.Reader
}

// Refusal is an error that a caller is told about.
type Refusal struct {
	Status int    // of HTTP, where the answer is one
	Text   string // one line that says what to do
}

func (r *Refusal) Error() string { return r.Text }

// NoRoom is what a caller is told when the enclave's disk is full.
func NoRoom() *Refusal {
	return &Refusal{http.StatusInsufficientStorage, "the enclave has no room left on its disk: delete what you do not need, or ask whoever runs it"}
}

// localService is the service of an enclave without one: any token is good, the functions are
// those of the options, and there is one Cape key.
type localService struct {
	key func() (*rsa.PrivateKey, error)
}

func (l *localService) Authorise(context.Context, Credential) (Caller, error) {
	return Caller{User: user, Unproven: true}, nil
}

func (l *localService) Lookup(context.Context, Caller, string) (*Deployed, error) {
	return nil, &Refusal{http.StatusNotFound, "no such function here: the enclave tells at its start which there are"}
}

func (l *localService) Deploy(context.Context, Caller, Deployment) (string, error) {
	return "", &Refusal{http.StatusNotImplemented, "this enclave keeps no functions: start one with a data folder, cape enclave --data"}
}

func (l *localService) Key(_ context.Context, of string) (*rsa.PrivateKey, error) {
	if of != user {
		return nil, &Refusal{http.StatusNotFound, "no such user here: the only one is " + user}
	}
	return l.key()
}

func (l *localService) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	refuse(w, http.StatusNotFound, "this enclave keeps neither functions nor tokens: start it with a data folder, cape enclave --data")
}
