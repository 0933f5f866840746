package enclave

import (
	"context"
	"errors"
	"os"
	"runtime"
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

// invoke is as of a worker.
func (s *sandboxed) invoke(input []byte) ([]byte, error) {
	s.rpc.renew()
	return s.worker.invoke(input)
}

// close kills the worker and removes its folder.
func (s *sandboxed) close() {
	s.worker.close()
	s.rpc.close()
	if err := s.enclave.remove(s.folder); err != nil {
		s.enclave.options.Log.Warn("a function's private copy is left behind", "error", err)
	}
}

// started is what comes of starting a worker.
type started struct {
	worker *sandboxed
	err    error
}

var errWorkersClosed = errors.New("the enclave is closed")

// workers starts the processes that run functions. Some are started ahead: they are in their
// sandboxes and wait for a function, so that no session waits for an interpreter. As starting one
// is a matter of processor time, no more are started at once than there are processors: of a crowd
// the first ones are then served while the last ones wait, in the order in which they came.
type workers struct {
	enclave *Enclave
	source  string
	ahead   int
	atOnce  int
	running sync.WaitGroup // of startNext
	first   chan struct{}  // closed when firstErr stands: what came of the first one
	once    sync.Once

	mu       sync.Mutex
	closed   bool
	grant    sandbox.Grant
	certain  bool            // a process was started with this grant, so that nothing less will do
	said     bool            // the log has what is missing
	lacks    map[string]bool // layers that the first sandbox lacks; nil: there was none yet
	number   uint32
	idle     []*sandboxed   // without a function yet
	waiting  []chan started // have room for what they are given
	starting int
	firstErr error
}

func newWorkers(e *Enclave) *workers {
	return &workers{
		enclave: e, source: sandbox.Source(), number: uint32(os.Getpid()) << 8,
		ahead: e.options.WorkersAhead, atOnce: runtime.GOMAXPROCS(0), first: make(chan struct{}),
	}
}

// ready waits for the first worker, and says what is wrong with it.
func (p *workers) ready() error {
	<-p.first
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.firstErr
}

// begin starts the first ones ahead.
func (p *workers) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fill()
}

// fill starts as many as are waited for, or to be there ahead. The lock is held.
func (p *workers) fill() {
	for wanted := len(p.waiting) + p.ahead - len(p.idle); !p.closed && p.starting < min(wanted, p.atOnce); {
		p.starting++
		p.running.Add(1)
		transport.Spawn(p.startNext, func(value any) {
			p.enclave.panicked(value)
			p.deliver(started{err: errors.New("defect in the enclave")})
		})
	}
}

// startNext starts one worker for whoever waits longest, or ahead.
func (p *workers) startNext() {
	w, err := p.start(p.enclave.ctx)
	if err == nil {
		var missing []string
		if missing, err = w.wait(); err == nil {
			err = p.compare(missing)
		}
		if err != nil {
			w.close()
			w = nil
		}
	}
	p.deliver(started{w, err})
}

// compare refuses a worker whose sandbox lacks what that of the first one had: the log told of what
// was missing then, and a host that is short of something must not open doors.
func (p *workers) compare(missing []string) error {
	lacks := make(map[string]bool)
	for _, layer := range missing {
		name, _, _ := strings.Cut(layer, " (") // what the kernel said is in brackets
		lacks[name] = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lacks == nil {
		p.lacks = lacks
	}
	for _, layer := range missing {
		if name, _, _ := strings.Cut(layer, " ("); !p.lacks[name] {
			return fail("argument.sandbox", nil, "a function cannot be shut in as the first one was, for want of %s: see what the host is short of, such as memory or processes", layer)
		}
	}
	return nil
}

func (p *workers) deliver(s started) {
	defer p.running.Done()
	p.mu.Lock()
	p.starting--
	p.once.Do(func() {
		p.firstErr = s.err
		close(p.first)
	})
	surplus := p.give(s)
	if s.err == nil || len(p.waiting) > 0 { // else the next who needs one sees whether it fails again
		p.fill()
	}
	p.mu.Unlock()
	if surplus != nil {
		surplus.close()
	}
}

// give hands on a worker, or returns it if nobody needs it. The lock is held.
func (p *workers) give(s started) (surplus *sandboxed) {
	switch {
	case len(p.waiting) > 0:
		p.waiting[0] <- s
		p.waiting = p.waiting[1:]
	case p.closed || len(p.idle) >= p.ahead:
		return s.worker
	case s.worker != nil:
		p.idle = append(p.idle, s.worker)
	}
	return nil
}

// take returns a worker that has no function yet. It ends with the enclave, and with ctx from its
// assignment on.
func (p *workers) take(ctx context.Context) (*sandboxed, error) {
	p.mu.Lock()
	for len(p.idle) > 0 {
		w := p.idle[0]
		p.idle = p.idle[1:]
		if !w.over() {
			p.fill()
			p.mu.Unlock()
			return w, nil
		}
		p.mu.Unlock() // whatever killed it, it was no function
		w.close()
		p.mu.Lock()
	}
	if p.closed {
		p.mu.Unlock()
		return nil, errWorkersClosed
	}
	mine := make(chan started, 1)
	p.waiting = append(p.waiting, mine)
	p.fill()
	p.mu.Unlock()
	select {
	case s := <-mine:
		return s.worker, s.err
	case <-ctx.Done():
	}
	var surplus *sandboxed
	p.mu.Lock()
	if i := slices.Index(p.waiting, mine); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	} else {
		surplus = p.give(<-mine)
	}
	p.mu.Unlock()
	if surplus != nil {
		surplus.close()
	}
	return nil, ctx.Err()
}

// close ends what was started ahead, and returns when nothing is being started any more. The
// enclave's context has ended.
func (p *workers) close() {
	p.mu.Lock()
	p.closed = true
	idle, waiting := p.idle, p.waiting
	p.idle, p.waiting = nil, nil
	p.mu.Unlock()
	for _, mine := range waiting {
		mine <- started{err: errWorkersClosed}
	}
	for _, w := range idle {
		w.close()
	}
	p.running.Wait()
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
		return fail("argument.sandbox", nil, "functions cannot be wholly shut in here, as is required: missing are %s: have the host grant them, or do not require a sandbox", strings.Join(missing, "; "))
	}
	return nil
}
