package enclave

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/libcape/libcape/core/transport"
)

// runner runs one function for one session.
type runner interface {
	// invoke runs the function once. The text of an error is for the caller. When ctx ends it
	// returns at once, though a handler may then still be using input.
	invoke(ctx context.Context, input []byte) ([]byte, error)
	// close returns when nothing is left of what the runner started.
	close()
}

func (e *Enclave) newRunner(ctx context.Context, f *function, log *slog.Logger) runner {
	if f.handler != nil {
		return &handlerRunner{handler: f.handler, log: log}
	}
	return newPythonRunner(ctx, e, f, log)
}

// handlerRunner runs a handler written in Go.
type handlerRunner struct {
	handler Handler
	log     *slog.Logger
}

func (h *handlerRunner) invoke(ctx context.Context, input []byte) ([]byte, error) {
	type result struct {
		output []byte
		err    error
	}
	results := make(chan result, 1)
	transport.Spawn(func() {
		defer func() {
			if value := recover(); value != nil {
				h.log.Error("the function panicked", "panic", value, "stack", string(debug.Stack()))
				results <- result{err: errors.New("the function panicked: the enclave's log has the details")}
			}
		}()
		output, err := h.handler(ctx, input)
		results <- result{output, err}
	}, nil)
	select {
	case r := <-results:
		return r.output, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("the session ended: %w", ctx.Err())
	}
}

func (h *handlerRunner) close() {}
