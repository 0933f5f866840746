package enclave

import (
	"context"
	"errors"
	"net/http"
	"os"
)

// testRoute is a session that takes a function and runs it, and keeps nothing of it.
func (e *Enclave) testRoute(by Caller) (*conversation, error) {
	if by.Function != "" {
		return nil, &Refusal{http.StatusForbidden, "the token is for running one function: test with one that is not bound to a function"}
	}
	if e.python == nil {
		return nil, &Refusal{http.StatusNotImplemented, "this enclave runs no functions of callers: it was started without a Python"}
	}
	leave, err := e.uploads.enter(by.User)
	if err != nil {
		return nil, err
	}
	return &conversation{limit: e.maxSealed(), uploads: true, queued: queueLargest * e.maxSealed(), leave: leave, talk: func(s *session, ctx context.Context) {
		if err := s.tryFunction(ctx, by); err != nil && ctx.Err() == nil {
			s.end(s.enclave.toldOf(err))
		}
	}}, nil
}

// tryFunction takes a zip, then runs it for the inputs that follow. Both are sealed to the session.
func (s *session) tryFunction(ctx context.Context, by Caller) error {
	f, err := s.takeFunction(ctx, by)
	if err != nil {
		return err
	}
	defer os.Remove(f.archive)
	if s.signer, err = s.enclave.results(); err != nil {
		return err
	}
	s.function = f
	s.runFunction(ctx)
	return nil
}

// takeFunction returns the function that arrives first.
func (s *session) takeFunction(ctx context.Context, by Caller) (*function, error) {
	first, ok := s.next(ctx)
	if !ok {
		return nil, context.Canceled
	}
	defer s.queue.release(first)
	if first.upload == nil {
		return nil, told("a test begins with the function's zip, sealed, in a binary message")
	}
	defer s.leave()
	zipped, free, err := s.openSealed(ctx, first.upload)
	if err != nil {
		return nil, err
	}
	defer free()
	checksum, err := checkedZip(zipped)
	if err != nil {
		return nil, told(err.Error())
	}
	file, err := os.CreateTemp(s.enclave.scratch, "test-*.zip")
	if err != nil {
		return nil, err
	}
	_, writeErr := file.Write(zipped)
	if err := errors.Join(writeErr, file.Close()); err != nil {
		_ = os.Remove(file.Name())
		return nil, err
	}
	return &function{name: "(test)", owner: by.User, checksum: checksum, archive: file.Name()}, nil
}
