package enclave

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
)

// pythonRunner runs a folder's app.py in a worker process. A worker that ends is replaced at
// the next call, in a fresh copy of the folder.
type pythonRunner struct {
	ctx      context.Context // of the session: every worker ends with it
	enclave  *Enclave
	function *function
	log      *slog.Logger
	folder   string // private to the current worker; empty: there is none
	worker   *worker
	startErr error
}

// newPythonRunner starts a worker at once, so that the interpreter is up by the first call.
func newPythonRunner(ctx context.Context, e *Enclave, f *function, log *slog.Logger) *pythonRunner {
	r := &pythonRunner{ctx: ctx, enclave: e, function: f, log: log}
	r.start()
	return r
}

func (r *pythonRunner) start() {
	r.startErr = r.tryStart()
	if r.startErr != nil {
		r.log.Error("the function cannot be started", "error", r.startErr)
		r.close()
	}
}

func (r *pythonRunner) tryStart() error {
	folder, err := os.MkdirTemp(r.enclave.scratch, "session-*")
	if err != nil {
		return err
	}
	r.folder = folder
	// What a function shares with the enclave is beside its working directory, not in it.
	code, home := filepath.Join(folder, "function"), filepath.Join(folder, "home")
	for _, name := range []string{code, home} {
		if err := os.Mkdir(name, 0o700); err != nil {
			return err
		}
	}
	if err := unpack(r.function.archive, code); err != nil {
		return err
	}
	python := r.enclave.python
	limit := r.enclave.maxPlain()
	r.worker, err = startWorker(r.ctx, r.enclave.spawner, command{
		path:      python.path,
		arguments: []string{python.path, "-c", workerSource, strconv.FormatInt(limit, 10), code},
		folder:    home,
		env:       python.environment(home),
		limit:     limit,
		log:       r.log,
	})
	return err
}

func (r *pythonRunner) invoke(ctx context.Context, input []byte) ([]byte, error) {
	if r.worker == nil {
		r.start()
		if r.startErr != nil {
			return nil, errors.New("the enclave cannot start the function: its log has the details")
		}
	}
	output, err := r.worker.invoke(input)
	var raised *raisedError
	if err == nil || errors.As(err, &raised) || ctx.Err() != nil {
		return output, err
	}
	// The worker is of no more use; its state goes with it.
	r.log.Warn("the function's process is replaced", "error", err)
	r.close()
	return nil, err
}

func (r *pythonRunner) close() {
	if r.worker != nil {
		r.worker.close()
		r.worker = nil
	}
	if r.folder == "" {
		return
	}
	if err := remove(r.folder); err != nil {
		r.log.Warn("a function's private copy is left behind", "error", err)
	}
	r.folder = ""
}

// raisedError is what the function raised; its process goes on.
type raisedError struct{ text string }

func (e *raisedError) Error() string { return e.text }
