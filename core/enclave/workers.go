package enclave

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/libcape/libcape/core/enclave/sandbox"
	"github.com/libcape/libcape/core/transport"
)

// sandboxed is a worker with what is its own on the host's side.
type sandboxed struct {
	*worker
	enclave *Enclave
	folder  string
	rpc     *rpc
}

// close kills the worker and removes its folder.
func (s *sandboxed) close() {
	s.worker.close()
	s.rpc.close()
	if err := s.enclave.remove(s.folder); err != nil {
		s.enclave.options.Log.Warn("a function's private copy is left behind", "error", err)
	}
}

// workers starts the processes that run functions. One is started ahead: it is in its sandbox and
// waits for its function, so that no session waits for an interpreter.
type workers struct {
	enclave *Enclave
	source  string

	mu      sync.Mutex
	closed  bool
	grant   sandbox.Grant
	certain bool // a process was started with this grant, so that nothing less will do
	said    bool // the log has what is missing
	number  uint32
	next    func() (*sandboxed, error) // waits for the one that is started ahead; nil: there is none
}

func newWorkers(e *Enclave) *workers {
	return &workers{enclave: e, source: sandbox.Source(), number: uint32(os.Getpid()) << 8}
}

// ready waits for the first worker, and says what is wrong with it.
func (p *workers) ready() error {
	p.mu.Lock()
	next := p.next
	p.mu.Unlock()
	_, err := next()
	return err
}

// startNext starts a worker ahead, unless there is one.
func (p *workers) startNext() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.next != nil {
		return
	}
	p.next = ahead(func() (*sandboxed, error) {
		w, err := p.start(p.enclave.ctx)
		if err == nil {
			w.wait()
		}
		return w, err
	})
}

// take returns a worker that has no function yet. It ends with the enclave, and with ctx from its
// assignment on.
func (p *workers) take(ctx context.Context) (*sandboxed, error) {
	p.mu.Lock()
	next := p.next
	p.next = nil
	p.mu.Unlock()
	if next == nil {
		return p.start(ctx)
	}
	transport.Spawn(p.startNext, p.enclave.panicked)
	w, err := next()
	if err != nil {
		return nil, err
	}
	if w.over() { // whatever killed it, it was no function
		w.close()
		return p.start(ctx)
	}
	return w, nil
}

// close ends what was started ahead.
func (p *workers) close() {
	p.mu.Lock()
	p.closed = true
	next := p.next
	p.next = nil
	p.mu.Unlock()
	if next == nil {
		return
	}
	if w, err := next(); err == nil {
		w.close()
	}
}

// start starts a worker with as many namespaces as the kernel grants.
func (p *workers) start(ctx context.Context) (*sandboxed, error) {
	e := p.enclave
	folder, err := os.MkdirTemp(e.scratch, "worker-*")
	if err != nil {
		return nil, err
	}
	// What a function shares with the enclave is beside its working directory, not in it. Where
	// there is a private root, it has folders of the same names in there.
	home := filepath.Join(folder, "home")
	for _, name := range []string{filepath.Join(folder, "function"), home} {
		if err == nil {
			err = os.Mkdir(name, 0o700)
		}
	}
	var socket *rpc
	if err == nil {
		socket, err = e.listenRPC(folder)
	}
	var w *worker
	for err == nil {
		p.mu.Lock()
		p.number++
		grant, number := p.grant, p.number
		p.mu.Unlock()
		if w, err = p.startWith(ctx, folder, home, grant, number); err == nil {
			break
		}
		p.mu.Lock()
		less, ok := grant.Less(err)
		if ok && !p.certain {
			p.grant, err = max(p.grant, less), nil
		}
		p.mu.Unlock()
	}
	if err != nil {
		if socket != nil {
			socket.close()
		}
		_ = e.remove(folder)
		return nil, err
	}
	s := &sandboxed{worker: w, enclave: e, folder: folder, rpc: socket}
	if err := p.judge(s); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (p *workers) startWith(ctx context.Context, folder, home string, grant sandbox.Grant, number uint32) (*worker, error) {
	e := p.enclave
	if e.options.withholds("namespaces") || !sandbox.Namespaces {
		grant = sandbox.None
	}
	attributes, user := sandbox.Attributes(grant, number)
	settings := sandbox.Settings{
		Folder: folder, Output: e.maxPlain(), Limits: e.options.Limits, Grant: grant, User: user,
		Withheld: e.options.withheld,
	}
	return startWorker(ctx, e.spawner, command{
		path:      e.python.path,
		arguments: append([]string{e.python.path, "-c", p.source, workerSource}, settings.Arguments()...),
		folder:    home,
		env:       e.python.environment(home),
		limit:     e.maxPlain(),
		limits:    e.options.Limits,
		system:    attributes,
		contained: grant != sandbox.None,
	})
}

// judge has the log say what the sandbox of the first worker lacks, or refuses it. Where a whole
// sandbox is required, that is asked of each worker.
func (p *workers) judge(s *sandboxed) error {
	p.mu.Lock()
	p.certain = true
	first := !p.said
	p.said = true
	p.mu.Unlock()
	required := p.enclave.options.RequireSandbox
	if !first && !required {
		return nil
	}
	if !required {
		transport.Spawn(func() {
			if missing, err := s.wait(); p.enclave.ctx.Err() != nil {
				return // it ended with the enclave, which tells nothing
			} else if err != nil {
				p.enclave.options.Log.Error("no sandbox can be made for functions", "error", err)
			} else if len(missing) > 0 {
				p.enclave.options.Log.Warn("functions are not wholly shut in: run only those you trust", "missing", strings.Join(missing, "; "))
			}
		}, p.enclave.panicked)
		return nil
	}
	missing, err := s.wait()
	switch {
	case err != nil:
		return fail("argument.sandbox", err, "no sandbox can be made for functions: %v", err)
	case len(missing) > 0:
		return fail("argument.sandbox", nil, "functions cannot be wholly shut in here, as is required: missing are %s", strings.Join(missing, "; "))
	}
	return nil
}

func (o Options) withholds(layer string) bool {
	return slices.Contains(o.withheld, layer)
}

// limitText is what a caller is told whose function used too much.
func (c command) limitText(which string) string {
	switch which {
	case "cpu":
		return fmt.Sprintf("the function used more than %v of processor time for one call", c.limits.CPU)
	case "processes":
		return fmt.Sprintf("the function had more than %d processes", c.limits.Processes)
	case "memory":
		return fmt.Sprintf("the function used more than %d bytes of memory", c.limits.Memory)
	}
	return "the function used too much"
}
