package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

// Error says what went wrong on the way to the peer. Reason is a stable word such as
// "connect.refused" or "tls.hostname"; Text is one line that names the host and what to do.
type Error struct {
	Reason string
	Text   string
	Err    error // what the network said, or nil
}

func (e *Error) Error() string { return e.Text }

// ErrorReason is Reason, for those who know errors of several packages by it.
func (e *Error) ErrorReason() string { return e.Reason }
func (e *Error) Unwrap() error       { return e.Err }

// readError puts a failed read into words.
func (c *Conn) readError(err error) error {
	var closing *websocket.CloseError
	switch {
	case c.closed.Load():
		return &Error{"closed.local", "the connection was closed on this side", err}
	case errors.Is(err, websocket.ErrReadLimit):
		return &Error{"limit.message", "the peer sent a message over the size limit", err}
	case errors.As(err, &closing) && closing.Code == websocket.CloseAbnormalClosure:
		return &Error{"closed.lost", "the connection was lost", err}
	case errors.As(err, &closing):
		said := ""
		if closing.Text != "" {
			said = ": " + closing.Text
		}
		return &Error{"closed.peer", fmt.Sprintf("the enclave closed the connection (websocket code %d%s)", closing.Code, said), err}
	case isNetworkError(err):
		return &Error{"closed.lost", "the connection was lost", err}
	default:
		return &Error{"protocol.frame", "the peer broke the websocket framing", err}
	}
}

func (c *Conn) writeError(err error) error {
	var timeout net.Error
	farewell := c.farewell.Load()
	switch {
	case c.closed.Load():
		return &Error{"closed.local", "the connection was closed on this side", err}
	case farewell != nil:
		return c.readError(farewell)
	case errors.As(err, &timeout) && timeout.Timeout():
		return &Error{"timeout.write", "the peer did not take the message before the deadline", err}
	default:
		return &Error{"closed.lost", "the connection was lost", err}
	}
}

func isNetworkError(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, net.ErrClosed) || isEOF(err) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// dialError puts a failed dial into words. host is what the caller asked for.
func dialError(ctx context.Context, host string, err error) error {
	var ours *Error
	if errors.As(err, &ours) {
		return ours
	}
	fail := func(reason, format string, args ...any) error {
		return &Error{reason, fmt.Sprintf(format, args...), err}
	}
	if tlsErr := tlsError(host, err); tlsErr != nil {
		return tlsErr
	}
	var dns *net.DNSError
	var network net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fail("cancelled.not_sent", "connecting to %s was cancelled", host)
	case isPast(ctx), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return fail("timeout.connect", "%s did not answer before the deadline: check the address and the network, or allow more time", host)
	case errors.As(err, &dns):
		return fail("connect.dns", "the name of %s cannot be resolved: check the address", host)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail("connect.refused", "nothing listens at %s: start the enclave or check the address", host)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return fail("connect.unreachable", "%s cannot be reached from this network", host)
	case isNetworkError(err):
		return fail("connect.handshake", "%s dropped the connection during the websocket handshake", host)
	default:
		return fail("connect.handshake", "%s did not answer with a websocket handshake: check the address and the scheme", host)
	}
}

// isPast says that ctx's deadline has passed. The connection's own deadline is the same moment and
// may be noticed first, by a parser that hides the cause.
func isPast(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// tlsError recognises what crypto/tls and crypto/x509 report, or returns nil.
func tlsError(host string, err error) error {
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &authority):
		return &Error{"tls.unknown_authority", fmt.Sprintf("no trusted authority signed the TLS certificate of %s: for a local enclave pass its tls_ca", host), err}
	case errors.As(err, &hostname):
		return &Error{"tls.hostname", fmt.Sprintf("the TLS certificate of %s is for another name", host), err}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return &Error{"tls.expired", fmt.Sprintf("the TLS certificate of %s is not valid at this machine's time: renew it, or set the clock", host), err}
	case errors.As(err, &verification), errors.As(err, &invalid):
		return &Error{"tls.certificate", fmt.Sprintf("the TLS certificate of %s is not acceptable", host), err}
	case errors.As(err, &record):
		return &Error{"tls.handshake", fmt.Sprintf("%s does not speak TLS: is it a ws:// address?", host), err}
	case errors.As(err, &alert):
		return &Error{"tls.handshake", fmt.Sprintf("%s refused the TLS handshake", host), err}
	}
	return nil
}
