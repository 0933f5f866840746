// Package enclave is the enclave's side of Cape protocol v1, run on this machine: it listens,
// attests with a simulated Nitro security module, opens sealed requests and runs functions.
//
//	e, err := enclave.Start(enclave.Options{
//		Functions: []enclave.Function{{Folder: "tests/functions/echo"}},
//		Python:    "/usr/bin/python3",
//	})
//	defer e.Close()
//	info := e.Info() // the URL, and the attestation root that clients have to be given
//
// The documents are genuine in form and signature, but under a root that is made at each start,
// so that only clients who name that root accept them. Functions in
// folders are shut in as far as the kernel grants it, see the package sandbox. For tests of clients
// the enclave can misbehave, see [Fault].
//
// With a [Service] it is more than that: clients deploy functions, encrypt for it, and need tokens.
package enclave

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libcape/libcape/core/transport"
)

// closeWait is how long Close waits for what it has ended to be gone.
const closeWait = time.Second

// Enclave is a running local enclave. All methods may be called from any goroutine.
type Enclave struct {
	options   Options
	info      Info
	pcrs      map[int][]byte
	module    *securityModule
	service   Service
	archives  *archives
	uploads   *places
	visits    *places                       // of callers who have proved who they are
	much      chan struct{}                 // has room for those functions in memory that are large
	results   func() (*resultSigner, error) // waits for it
	functions []*function
	python    *interpreter // nil where no function needs one
	spawner   *spawner     // nil where no function needs one
	workers   *workers     // nil where no function needs one
	scratch   string       // folder of archives and of the workers' copies; empty: there is none
	claim     *os.File     // says that scratch is in use
	remove    func(folder string) error
	server    *http.Server
	faults    atomic.Pointer[[]Fault]

	ctx         context.Context // ends with the enclave
	cancel      context.CancelFunc
	connections atomic.Int64
	dropped     atomic.Int64 // when the log was told of a dropped connection, in Unix time
	sessions    sync.WaitGroup
	closing     sync.Mutex // held while a session is counted in and while Close begins
	closed      bool
}

// Start measures the functions, makes the attestation root and serves from the moment it
// returns until Close. An error is an [*Error].
func Start(o Options) (*Enclave, error) {
	o, err := o.settle()
	if err != nil {
		return nil, err
	}
	e := &Enclave{options: o, remove: remove, service: o.Service, much: make(chan struct{}, muchAtOnce)}
	e.uploads = newPlaces(uploadsAtOnce, uploadsOfOne, "too many functions are being taken at this moment: try again soon")
	e.visits = newPlaces(maxConnections, maxConnectionsOfOne, "too many connections of yours are open: close some")
	if e.service == nil {
		e.service = &localService{key: lazyKey(o.Key)}
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	if err := e.start(); err != nil {
		_ = e.Close()
		var ours *Error
		if !errors.As(err, &ours) {
			err = fail("argument.options", err, "the enclave cannot start: %v", err)
		}
		return nil, err
	}
	return e, nil
}

func (e *Enclave) start() error {
	if err := e.SetFaults(e.options.Faults...); err != nil {
		return err
	}
	if err := e.prepare(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", e.options.Listen)
	if err != nil {
		return fail("argument.listen", err, "the enclave cannot listen on %s: %v", e.options.Listen, err)
	}
	e.server = e.newServer()
	listener, err = e.secure(transport.QuietListener(listener))
	if err != nil {
		_ = listener.Close()
		return err
	}
	e.info.URL = e.url(listener.Addr())
	e.sessions.Add(1)
	transport.Spawn(func() {
		defer e.sessions.Done()
		_ = e.server.Serve(listener)
	}, e.panicked)
	e.options.Log.Info("enclave ready", "url", e.info.URL, "functions", len(e.functions))
	return nil
}

// Info returns what clients need to know. It is a copy, the caller's to change.
func (e *Enclave) Info() Info { return e.info.clone() }

// Close ends the enclave: sessions are dropped, functions killed, private copies removed. It
// may be called more than once. It waits for a second at most; what takes longer goes on in the
// background, and its errors are logged. A [Handler] that goes on after its context has ended is
// not waited for.
func (e *Enclave) Close() error {
	e.closing.Lock()
	already := e.closed
	e.closed = true
	e.closing.Unlock()
	if already {
		return nil
	}
	e.cancel()
	if e.server != nil {
		_ = e.server.Close()
	}
	ended := make(chan error, 1)
	transport.Spawn(func() { ended <- e.end() }, e.panicked)
	select {
	case err := <-ended:
		return err
	case <-time.After(closeWait):
		e.options.Log.Warn("the enclave is closed; its sessions are still ending, or its private copies being removed")
		return nil
	}
}

// end waits until the sessions have ended, and removes what they used.
func (e *Enclave) end() error {
	e.sessions.Wait()
	if e.workers != nil {
		e.workers.close()
	}
	if e.spawner != nil {
		e.spawner.close()
	}
	if e.archives != nil {
		e.archives.close()
	}
	err := e.removeScratch()
	if err != nil {
		e.options.Log.Warn("private copies of functions are left behind", "folder", e.scratch, "error", err)
	}
	return err
}

// enter counts a session in, unless the enclave is closing.
func (e *Enclave) enter() bool {
	e.closing.Lock()
	defer e.closing.Unlock()
	if e.closed {
		return false
	}
	e.sessions.Add(1)
	return true
}

func (e *Enclave) panicked(value any) {
	e.options.Log.Error("defect in the enclave", "panic", value)
}
