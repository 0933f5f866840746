package capelib

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libcape/libcape/core/capekey"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

const (
	// lastWords is how long a refusal may take to arrive after a write has failed because of it.
	lastWords = 2 * time.Second
	// slowest is how many bytes an enclave unpacks in a second at the least: the wait for its answer
	// is longer by that.
	slowest = 4 << 20
)

// Deployment says what to deploy, and as what.
type Deployment struct {
	// Path is a folder with an app.py, or a zip of one. Required.
	Path string
	// Name of the function, alone or as "user/name", where the user has to be the token's owner; "":
	// the base name of Path up to its first '.'.
	Name string
	// Public functions may be called by anyone.
	Public bool
	// Key is the Cape key to encrypt to, see [Key]; nil: the enclave is asked for it, and attests it.
	Key []byte
	// Progress, if not nil, is told how many bytes of the files have been read, of how many. It is
	// called by the goroutine of Deploy, and often.
	Progress func(done, total int64)
}

// Deployed is a function that an enclave has taken.
type Deployed struct {
	ID   string
	Name string // as in Deployment
	// Checksum is SHA-256 of the function's zip, computed here: what a policy pins as the
	// function's checksum.
	Checksum []byte
	Report   *Report // of the enclave that took it
}

// Deploy sends a function to an enclave, encrypted to a Cape key that the enclave attests, so that
// nobody on the way can read or change it. Of the options, Function is not used, and Timeout
// bounds each wait and not the whole, which takes as long as the network makes it: bound it by
// ctx. The zip is made as it is sent, and memory does not grow with its size.
//
// A policy that pins a function's checksum is refused, as there is none yet. When the error's code
// is [CodeTimeout], [CodeCancelled] or [CodeClosed], its reason tells whether the function may have
// been taken, as with Invoke.
func Deploy(ctx context.Context, o Options, d Deployment) (*Deployed, error) {
	t, err := o.checkAttested("/v1/deploy")
	if err != nil {
		return nil, err
	}
	function, err := openSource(d.Path)
	if err != nil {
		return nil, err
	}
	defer function.close()
	if d.Name == "" {
		d.Name = function.functionName()
	}
	if checkFunction(d.Name) != nil {
		return nil, NewError("argument.function", fmt.Sprintf("%q is no name of a function: letters, digits, '_', '.' and '-' may stand in one, of the form NAME or USER/NAME: give another", d.Name))
	}
	if d.Key == nil {
		if d.Key, _, err = Key(ctx, o); err != nil {
			return nil, err
		}
	} else if _, err := capekey.ParsePublicKey(d.Key); err != nil {
		return nil, AsError(err)
	}
	dialing, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	socket, _, report, err := o.dialRoute(dialing, t)
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	stop := transport.SpawnWhenDone(ctx, func() { _ = socket.Close() }, nil)
	defer stop()
	u := upload{options: o, target: t, socket: socket, replies: awaitReply(socket)}
	checksum, err := u.send(function, d)
	if err != nil {
		return nil, u.failure(ctx, err, false)
	}
	id, err := u.answer(function.size)
	if err != nil {
		return nil, u.failure(ctx, err, true)
	}
	socket.CloseWith(1000, "")
	return &Deployed{ID: id, Name: d.Name, Checksum: checksum, Report: report}, nil
}

// upload is one function on its way.
type upload struct {
	options Options
	target  *target
	socket  *transport.Conn
	trial   bool // it is run, and not kept
	replies <-chan replyFrom
	early   *replyFrom // what was answered before all was sent
}

// errAnswered ends the sending of what the peer has answered already.
var errAnswered = errors.New("the peer answered before the function was sent")

// Write looks for an early answer, beside what it is that is written.
func (u *upload) Write(piece []byte) (int, error) {
	select {
	case reply := <-u.replies:
		u.early = &reply
		return 0, errAnswered
	default:
		return len(piece), nil
	}
}

// send sends the two messages of a deployment, and gives the checksum of what was sent.
func (u *upload) send(function *source, d Deployment) ([]byte, error) {
	deployment := wire.EncodeDeployment(wire.Deployment{Name: d.Name, Public: d.Public})
	if err := u.socket.Write(transport.Text, deployment, time.Now().Add(u.target.timeout)); err != nil {
		return nil, err
	}
	var done int64
	read := func(n int) {
		if done += int64(n); d.Progress != nil && n > 0 {
			d.Progress(done, max(function.size, done))
		}
	}
	digest := sha256.New()
	err := u.socket.WriteFrom(transport.Binary, u.target.timeout, func(w io.Writer) error {
		sealed, err := capekey.NewWriter(w, d.Key)
		if err != nil {
			return err
		}
		if err := function.write(io.MultiWriter(u, sealed, digest), read); err != nil {
			return err
		}
		return sealed.Close()
	})
	return digest.Sum(nil), err
}

// answer waits for the function's id, longer for a larger function.
func (u *upload) answer(size int64) (string, error) {
	timer := time.NewTimer(u.target.timeout + time.Duration(size/slowest)*time.Second)
	defer timer.Stop()
	select {
	case reply := <-u.replies:
		if refused := u.options.refusal(u.target, reply); refused != nil {
			return "", refused
		}
		if reply.err != nil {
			return "", reply.err
		}
		return wire.DecodeDeployed(reply.frame)
	case <-timer.C:
		return "", NewError("timeout.outcome_unknown", "the deadline passed")
	}
}

// failure gives any error after the attestation its final words. sent says that the whole
// function was.
func (u *upload) failure(ctx context.Context, err error, sent bool) *Error {
	var network *transport.Error
	if errors.As(err, &network) && !sent && u.early == nil {
		select {
		case reply := <-u.replies: // perhaps why it takes no more
			u.early = &reply
		case <-time.After(lastWords):
		}
	}
	if u.early != nil {
		if refused := u.options.refusal(u.target, *u.early); refused != nil {
			return refused
		}
		if errors.Is(err, errAnswered) {
			err = u.early.err
		}
		if err == nil {
			err = NewError("protocol.message", u.target.endpoint.Host+" answered before the function was sent: is it a Cape enclave?")
		}
	}
	isNetwork := errors.As(err, &network)
	subject, what, end := "the deployment", "not_sent", " before the function was sent as a whole: deploy it again"
	if sent {
		what, end = "outcome_unknown", " after the function was sent, and it may have been taken: look for it in a list"
	}
	if u.trial {
		subject, end = "the test", " before all was sent: test it again"
		if sent {
			end = " after all was sent: the function may have run"
		}
	}
	var own *Error
	var result *Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		result = NewError("cancelled."+what, subject+" was cancelled"+end)
	case ctx.Err() != nil, isNetwork && network.Reason == "timeout.write", errors.As(err, &own) && own.Code == CodeTimeout:
		result = NewError("timeout."+what, "the deadline passed"+end)
	case isNetwork && (network.Reason == "closed.lost" || network.Reason == "closed.peer"):
		result = NewError("closed."+what, u.target.endpoint.Host+" closed the connection"+end)
	case isNetwork && network.Reason == "limit.message":
		result = NewError("limit.reply", u.target.endpoint.Host+" sent a longer answer than a deployment has")
	case hasReason(err):
		return AsError(err)
	default: // a file that has changed or gone since it was examined
		return NewError("argument.deployment", "the function cannot be read to its end: "+err.Error())
	}
	result.cause = err
	return result
}

func hasReason(err error) bool {
	var own *Error
	var reasoned interface{ ErrorReason() string }
	return errors.As(err, &own) || errors.As(err, &reasoned)
}
