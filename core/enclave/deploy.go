package enclave

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"

	"github.com/libcape/libcape/core/capekey"
	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

const (
	// maxUpload is how large the message with a function's zip may be: its files may have no more
	// than wire.MaxFunctionSize before compression, and not all can be compressed.
	maxUpload = wire.MaxFunctionSize + 64<<20
	// How many zips arrive at once, and how many of one user.
	uploadsAtOnce, uploadsOfOne = 32, 8
)

// deployRoute is a session that takes one function and keeps it.
func (e *Enclave) deployRoute(by Caller) (*conversation, error) {
	if by.Function != "" {
		return nil, &Refusal{http.StatusForbidden, "the token is for running one function: deploy with one that is not bound to a function"}
	}
	if none, ok := e.service.(*localService); ok {
		_, err := none.Deploy(e.ctx, by, Deployment{})
		return nil, err
	}
	leave, err := e.uploads.enter(by.User)
	if err != nil {
		return nil, err
	}
	return &conversation{limit: maxStart, uploads: true, queued: 2 * maxStart, leave: leave, talk: func(s *session, ctx context.Context) {
		id, err := s.deploy(ctx, by)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.end(s.enclave.toldOf(err))
			return
		}
		s.leave()
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
	if second.upload == nil {
		return "", told("after the name of a function comes its zip, in one binary message")
	}
	if name := fullName(by, about.Name); s.enclave.find(name) != nil {
		return "", told(fmt.Sprintf("the name %.200q is taken: the enclave was started with a function of that name", name))
	}
	code, checksum, err := s.checkUpload(ctx, by.User, second.upload)
	if err != nil {
		return "", err
	}
	defer code.close()
	if err := s.mayGoOn(); err != nil {
		return "", err
	}
	return s.enclave.service.Deploy(ctx, by, Deployment{
		Name: about.Name, Public: about.Public, TokenKey: about.TokenKey, Checksum: checksum, Code: code.reader(),
	})
}

// fullName is what a deployment is called, with its user.
func fullName(by Caller, name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return by.User + "/" + name
}

// checkUpload opens a function's zip and looks through it. What arrived is Cape ciphertext, which is
// the code to keep, or, from clients of before September 2022, sealed to the session: then the code
// is made here.
func (s *session) checkUpload(ctx context.Context, owner string, arrived *upload) (code *upload, checksum [sha256.Size]byte, err error) {
	isCode, err := arrived.isCiphertext()
	if err != nil {
		return nil, checksum, err
	}
	open := s.openSealed
	if isCode {
		open = func(ctx context.Context, arrived *upload) ([]byte, func(), error) {
			return s.enclave.openCode(ctx, owner, arrived.reader(), arrived.size)
		}
	}
	zipped, free, err := open(ctx, arrived)
	if err != nil {
		return nil, checksum, err
	}
	defer free()
	if checksum, err = checkedZip(zipped); err != nil {
		return nil, checksum, told(err.Error())
	}
	if isCode {
		return arrived, checksum, nil
	}
	code, err = s.enclave.seal(ctx, owner, zipped)
	return code, checksum, err
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
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		e.options.Log.Error("there is no room for what arrives", "error", err)
		return NoRoom().Text
	}
	return e.refusal(err).Text
}
