package enclave

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/libcape/libcape/core/capekey"
	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

const (
	// maxUpload is how large the message with a function's zip may be: its files may have no more
	// than wire.MaxFunctionSize before compression, and not all can be compressed.
	maxUpload = wire.MaxFunctionSize + 64<<20
	// uploadsAtOnce bounds how many zips are held in memory.
	uploadsAtOnce = 8
)

// deployRoute is a session that takes one function and keeps it.
func (e *Enclave) deployRoute(by Caller) (*conversation, error) {
	if by.Function != "" {
		return nil, &Refusal{http.StatusForbidden, "the token is for running one function: deploy with one that is not bound to a function"}
	}
	leave, err := e.enterUpload()
	if err != nil {
		return nil, err
	}
	return &conversation{limit: maxUpload, queued: maxUpload + maxStart, leave: leave, talk: func(s *session, ctx context.Context) {
		id, err := s.deploy(ctx, by)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.end(s.enclave.toldOf(err))
			return
		}
		_ = s.write(transport.Text, wire.EncodeDeployed(id))
		s.sayNoMore(ctx)
	}}, nil
}

// deploy takes what is to be deployed and then the function itself, and has it kept.
func (s *session) deploy(ctx context.Context, by Caller) (id string, err error) {
	first, ok := s.next(ctx)
	if !ok {
		return "", context.Canceled
	}
	defer s.queue.release(first)
	if first.kind != transport.Text || len(first.data) > maxStart {
		return "", told("a deployment begins with a text message that names the function")
	}
	about, err := wire.DecodeDeployment(first.data)
	if err != nil {
		return "", err
	}
	second, ok := s.next(ctx)
	if !ok {
		return "", context.Canceled
	}
	defer s.queue.release(second)
	if second.kind != transport.Binary || second.dropped {
		return "", told("after the name of a function comes its zip, in one binary message")
	}
	code, zipped, err := s.openUpload(ctx, by.User, second.data)
	if err != nil {
		return "", err
	}
	defer clear(zipped)
	checksum, err := checkedZip(zipped)
	if err != nil {
		return "", told(err.Error())
	}
	if code == nil {
		if code, err = s.enclave.seal(ctx, by.User, zipped); err != nil {
			return "", err
		}
	}
	return s.enclave.service.Deploy(ctx, by, Deployment{
		Name: about.Name, Public: about.Public, TokenKey: about.TokenKey, Checksum: checksum, Code: code,
	})
}

// openUpload returns a function's zip. What arrived is Cape ciphertext, which is code, or, from
// clients of before September 2022, sealed to the session, and code is nil.
func (s *session) openUpload(ctx context.Context, owner string, data []byte) (code, zipped []byte, err error) {
	if capekey.IsCiphertext(data) {
		zipped, err = s.enclave.unseal(ctx, owner, data)
		return data, zipped, err
	}
	zipped, err = s.key.Open(data)
	return nil, zipped, err
}

// enterUpload counts one more upload in, unless there are too many to hold in memory.
func (e *Enclave) enterUpload() (leave func(), err error) {
	select {
	case e.uploads <- struct{}{}:
		return sync.OnceFunc(func() { <-e.uploads }), nil
	default:
		return nil, &Refusal{http.StatusServiceUnavailable, "too many functions are being taken at this moment: try again soon"}
	}
}

// told is an error that the caller may read.
func told(text string) error { return &Refusal{http.StatusBadRequest, text} }

// toldOf is what a caller is told of an error in a session: of a failure in the enclave, only that
// it is one.
func (e *Enclave) toldOf(err error) string {
	var message *wire.Error
	var sealed *capekey.Error
	if errors.As(err, &message) || errors.As(err, &sealed) || errors.Is(err, hpke.ErrOpen) {
		return err.Error()
	}
	return e.refusal(err).Text
}
