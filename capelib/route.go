package capelib

import (
	"context"
	"errors"
	"strings"

	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

// dialRoute opens a route other than that of a function's run, on which the enclave has attested.
// The error is in its final words.
func (o Options) dialRoute(ctx context.Context, t *target) (*transport.Conn, *attested, *Report, error) {
	socket, document, report, err := o.dialAttested(ctx, t)
	if err != nil {
		failure := o.routeError(t, err, report)
		logf(LevelWarning, "%s of %s failed: %s: %s", t.endpoint.Path, t.endpoint.Host, failure.Reason, failure.Message)
		return nil, nil, nil, failure
	}
	return socket, document, report, nil
}

// routeError gives a failure of such a route its final words.
func (o Options) routeError(t *target, err error, report *Report) *Error {
	failure := o.connectError(t, err)
	if failure.Reason == "connect.function" {
		text := t.endpoint.Host + " does not know the route " + t.endpoint.Path + ": check the url, and whether the enclave offers this"
		failure = NewError("connect.route", text)
		failure.cause = err
	}
	failure.Report = report
	return failure
}

// replyFrom is the peer's one answer, that somebody waits for.
type replyFrom struct {
	frame []byte
	err   error
}

// awaitReply reads one text message, on a goroutine of its own, so that pings are answered while
// a message goes out, and a refusal is heard before its end.
func awaitReply(socket *transport.Conn) <-chan replyFrom {
	replies := make(chan replyFrom, 1)
	transport.Spawn(func() {
		kind, frame, err := socket.Read()
		if err == nil && kind != transport.Text {
			err = NewError("protocol.frame", "the answer came as a binary message, not as text: is the peer a Cape enclave?")
		}
		replies <- replyFrom{frame, err}
	}, func(value any) { replies <- replyFrom{nil, Panicked(value)} })
	return replies
}

// refusal is what the peer said in place of an answer to what was sent, or nil.
func (o Options) refusal(t *target, reply replyFrom) *Error {
	if reply.err != nil {
		return nil
	}
	var said *wire.ServerError
	if _, err := wire.DecodeDeployed(reply.frame); !errors.As(err, &said) {
		return nil
	}
	text := said.Text
	if text == "" {
		text = "it does not say why: look in its log"
	}
	return NewError("function.refused", withoutSecret(t.endpoint.Host+" refused the function: "+text, o.Token))
}

// checkPart checks one part of a route, an id.
func checkPart(part, what string) error {
	if strings.Contains(part, "/") {
		return NewError("argument.function", "the "+what+" is a name or a path: give the id, which a list shows")
	}
	if !isName(part) {
		return NewError("argument.function", "the "+what+" is empty, or has characters other than letters, digits, '_', '.' and '-'")
	}
	return nil
}
