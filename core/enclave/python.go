package enclave

import (
	"context"
	"errors"
	"log/slog"
)

// pythonRunner runs a folder's app.py in a worker process. A worker that ends is replaced at
// the next call, with a fresh copy of the folder.
type pythonRunner struct {
	ctx      context.Context // of the session: every worker ends with it
	enclave  *Enclave
	function *function
	log      *slog.Logger
	worker   *sandboxed
	startErr error
}

// newPythonRunner gives a worker the function at once, so that it is loaded by the first call.
func newPythonRunner(ctx context.Context, e *Enclave, f *function, log *slog.Logger) *pythonRunner {
	r := &pythonRunner{ctx: ctx, enclave: e, function: f, log: log}
	r.start()
	return r
}

func (r *pythonRunner) start() {
	r.startErr = r.tryStart()
	if r.startErr != nil {
		if r.ctx.Err() == nil { // else its caller has left, which is no failure
			r.log.Error("the function cannot be started", "error", r.startErr)
		}
		r.close()
	}
}

func (r *pythonRunner) tryStart() error {
	worker, err := r.enclave.workers.take(r.ctx)
	if err != nil {
		return err
	}
	r.worker = worker
	worker.assign(r.ctx, r.log)
	worker.rpc.attend(r.ctx, r.function.owner, r.log)
	return worker.receive(r.function.archive)
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
}

// raisedError is what the function raised; its process goes on.
type raisedError struct{ text string }

func (e *raisedError) Error() string { return e.text }
