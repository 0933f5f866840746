package enclave

import (
	"context"
	"crypto/rsa"
	"log/slog"
	"net"
	"time"

	"github.com/libcape/libcape/core/capekey"
	"github.com/libcape/libcape/core/enclave/sandbox"
)

// Options say what a local enclave serves and how. The zero value listens on a free port of
// 127.0.0.1 and serves nothing.
type Options struct {
	// Listen is host:port; "127.0.0.1:0" when empty.
	Listen string
	// TLS serves wss:// under an authority of the enclave's own, which Info names.
	TLS bool
	// Functions are served as "local/<name>".
	Functions []Function
	// Service adds accounts, tokens and a store of functions; nil: there are only Functions, and
	// any token will do.
	Service Service
	// Key is the Cape key (RSA-4096) of an enclave without a Service; nil: one is made when it is
	// first needed.
	Key *rsa.PrivateKey
	// Python is the absolute path of the interpreter that runs functions in folders. It may be
	// that of a virtual environment. Needed only where there are such functions.
	Python string
	// Log receives what the enclave does and what functions print; nil: nothing. It never
	// receives a token, an input or an output.
	Log *slog.Logger
	// Faults make the enclave misbehave from its start: see [Enclave.SetFaults].
	Faults []Fault
	// IdleTimeout ends a session in which nothing was received, sent or run for this long;
	// 0: a minute.
	IdleTimeout time.Duration
	// MaxInput is how large an input may be, in bytes before sealing; 0: 64 MiB. An output may
	// be as large. Both are allowed 64 KiB more, for what an encoding adds.
	MaxInput int64
	// Now is the clock of the simulated security module; nil: time.Now.
	Now func() time.Time
	// Scratch is the folder in which private copies of functions are made; empty: the system's
	// folder for temporary files.
	Scratch string
	// Limits are what a function in a folder may use on one connection. Its memory is four times
	// MaxInput at the least.
	Limits sandbox.Limits
	// WorkersAhead is how many processes for functions in folders are started before there is a
	// connection for them, which then waits for no interpreter; 0: one. A process that is given away
	// is replaced at once. Each takes about 10 MB of memory while it waits.
	WorkersAhead int
	// RequireSandbox makes it an error when the kernel does not grant all that shuts functions in.
	// Otherwise the log says what is missing.
	RequireSandbox bool

	// withheld are parts of the sandbox that are left out, as if the kernel did not grant them.
	withheld []string
	// requestTimeout is how long a request may take to arrive, its body included where it is
	// refused; 0: ten seconds. Its answer has six times that.
	requestTimeout time.Duration
	// uploadTimeout is how long a function may take to arrive, beside what it may take for its size;
	// 0: five minutes.
	uploadTimeout time.Duration
}

// Function is one function to serve: a folder, or a handler in Go.
type Function struct {
	// Name is 1 to 64 letters, digits, "_", "." and "-"; empty: the folder's base name.
	Name string
	// Folder holds an app.py that defines cape_handler. It is read once, at the start; what it
	// holds then is what is measured and what runs.
	Folder string
	// Handler serves in place of a folder.
	Handler Handler
}

// Handler is a function written in Go. The input is its own only until it returns; the output,
// which may be the input itself, has to stay as it is until the context ends. The text of an error is what the
// caller is told. ctx ends with the session. It may be called by several sessions at once.
type Handler func(ctx context.Context, input []byte) ([]byte, error)

const (
	defaultListen      = "127.0.0.1:0"
	defaultIdleTimeout = time.Minute
	defaultMaxInput    = 64 << 20
	maxMaxInput        = 1 << 30
	envelopeAllowance  = 64 << 10
	maxWorkersAhead    = 1000
	memoryInputs       = 4 // how many of the largest inputs a function has room for at least

	defaultRequestTimeout = 10 * time.Second
	defaultUploadTimeout  = 5 * time.Minute
)

// settle checks the options and fills in the defaults.
func (o Options) settle() (Options, error) {
	if o.Listen == "" {
		o.Listen = defaultListen
	}
	if _, _, err := net.SplitHostPort(o.Listen); err != nil {
		return o, fail("argument.listen", err, "%q is no address to listen on: give host:port, such as %s", o.Listen, defaultListen)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = defaultIdleTimeout
	}
	if o.MaxInput == 0 {
		o.MaxInput = defaultMaxInput
	}
	if o.requestTimeout == 0 {
		o.requestTimeout = defaultRequestTimeout
	}
	if o.uploadTimeout == 0 {
		o.uploadTimeout = defaultUploadTimeout
	}
	if o.IdleTimeout < 0 {
		return o, fail("argument.options", nil, "the idle timeout is negative: give a duration, or 0 for a minute")
	}
	if o.MaxInput < 0 || o.MaxInput > maxMaxInput {
		return o, fail("argument.options", nil, "the largest input may have 1 byte to %s, not %s", sizeText(maxMaxInput), sizeText(o.MaxInput))
	}
	if o.Key != nil && o.Key.N.BitLen() != capekey.KeyBits {
		return o, fail("argument.options", nil, "the Cape key has %d bits: give one of %d", o.Key.N.BitLen(), capekey.KeyBits)
	}
	if o.WorkersAhead < 0 || o.WorkersAhead > maxWorkersAhead {
		return o, fail("argument.options", nil, "0 to %d workers can be started ahead, not %d", maxWorkersAhead, o.WorkersAhead)
	}
	o.WorkersAhead = max(o.WorkersAhead, 1)
	if !o.Limits.Valid() {
		return o, fail("argument.options", nil, "a limit of functions is negative: give a positive one, or 0 for the default")
	}
	least := memoryInputs * o.MaxInput
	if o.Limits.Memory != 0 && o.Limits.Memory < least {
		return o, fail("argument.options", nil, "%s of memory is too little for a function with inputs of up to %s: give %s or more, or take smaller inputs",
			sizeText(o.Limits.Memory), sizeText(o.MaxInput), sizeText(least))
	}
	o.Limits = o.Limits.Settle()
	o.Limits.Memory = max(o.Limits.Memory, least)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}
