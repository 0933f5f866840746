package capelib

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/libcape/libcape/core/transport"
)

// Requesting is a request to a Cape service that goes on by itself, begun by [StartRequest]. Any
// goroutine may call any of its methods at any time.
type Requesting struct {
	cancel         context.CancelFunc
	done           chan struct{}
	ended          func()
	once           sync.Once
	sent, expected atomic.Int64
	output         []byte // these two are written before done is closed, and not after
	err            *Error
}

// StartRequest begins a request of which cape.h tells the options, under cape_request_start, and
// returns at once. An error says that nothing was started. input is copied; it is for "test" alone.
// ended, if not nil, is called once when it has ended, on whatever goroutine ended it; it must not
// block.
func StartRequest(options, input []byte, ended func()) (*Requesting, error) {
	parsed, err := parseOptionsJSON(options, func(request string) (string, error) {
		if request == "" {
			return "", NewError("argument.options", "the JSON of the options does not say which \"request\" it is: cape.h lists them")
		}
		if _, ok := routes[request]; !ok {
			return "", NewError("argument.options", "there is no request of this name, only key, deploy, test, list, delete, token_create, token_list and token_delete")
		}
		return routes[request].names + " request", nil
	})
	if err != nil {
		return nil, err
	}
	o, err := parsed.options()
	if err != nil {
		return nil, err
	}
	do := routes[parsed.Request].do
	switch {
	case parsed.Request == "test":
		if err := checkInput(input); err != nil {
			return nil, err
		}
		input = slices.Clone(input)
		do = func(ctx context.Context, o Options, j *optionsJSON, r *Requesting) ([]byte, error) {
			defer clear(input)
			output, _, err := Trial{Path: j.Path, Input: input, Progress: r.advance}.Run(ctx, o)
			return output, err
		}
	case len(input) > 0:
		return nil, NewError("argument.input", "the request "+parsed.Request+" has no input: pass none")
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Requesting{cancel: cancel, done: make(chan struct{}), ended: ended}
	transport.Spawn(func() {
		output, err := do(ctx, o, parsed, r)
		r.settle(output, AsError(err))
	}, func(value any) { r.settle(nil, Panicked(value)) })
	return r, nil
}

// Done is closed when the request has ended, in whatever way.
func (r *Requesting) Done() <-chan struct{} { return r.done }

// Cancel ends the request with [CodeCancelled], unless it has ended. Whoever does it knows best
// how far it had come, and is given a moment to say so.
func (r *Requesting) Cancel() {
	r.cancel()
	transport.SpawnAfter(grace, func() { r.abandon() }, nil)
}

func (r *Requesting) abandon() {
	r.settle(nil, NewError("cancelled.outcome_unknown", "the request was cancelled, and may have been carried out: look for its effect in a list"))
}

// Close ends the request at once, and wipes an outcome that it has.
func (r *Requesting) Close() error {
	r.abandon()
	clear(r.output)
	return nil
}

// Result waits for the outcome: bytes that the request's description in cape.h tells of. They are
// the caller's.
func (r *Requesting) Result() ([]byte, error) {
	<-r.done
	if r.err != nil {
		return nil, r.err
	}
	return r.output, nil
}

// Progress tells how far a deployment is, in bytes of its files, and a test, in bytes of the sealed
// function. Of other requests it says nothing: their messages are small.
func (r *Requesting) Progress() Progress {
	return Progress{Sent: r.sent.Load(), ToSend: r.expected.Load()}
}

func (r *Requesting) advance(done, total int64) {
	r.expected.Store(total)
	r.sent.Store(done)
}

// settle gives the request its outcome, unless it has one.
func (r *Requesting) settle(output []byte, err *Error) {
	settled := false
	r.once.Do(func() {
		settled = true
		r.output, r.err = output, err
		r.cancel()
		close(r.done)
		if r.ended != nil {
			r.ended()
		}
	})
	if !settled {
		clear(output)
	}
}
