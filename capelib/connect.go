package capelib

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/libcape/libcape/core/attest"
	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

const (
	nonceSize = 32 // bytes, fresh for each connection

	// MaxInput is the longest input of one call, in bytes: 64 MiB, and room for the envelope
	// that serdio puts around an argument of that size.
	MaxInput = 64<<20 + 64<<10
	// maxReply bounds a reply: a result as large as the largest input, as base64 in JSON.
	maxReply = (MaxInput+2)/3*4 + 64<<10
	// maxAttestation bounds the enclave's first answer, in bytes.
	maxAttestation = 64 << 10
)

// goneHosts are those of the public Cape service, which has ended.
var goneHosts = []string{"enclave.capeprivacy.com", "app.capeprivacy.com", "api.capeprivacy.com"}

// Connect opens a session: it dials, verifies the enclave's attestation document against the
// policy with a fresh nonce, and keeps the key that the document proved. It ends by the earlier
// of ctx's deadline and the time-out of the options.
//
// When a document was examined and refused, the error's Report tells what was found.
func Connect(ctx context.Context, o Options) (*Conn, error) {
	t, err := o.check()
	if err != nil {
		return nil, err
	}
	return o.connect(ctx, t)
}

func (o Options) connect(ctx context.Context, t *target) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	first, report, err := o.open(ctx, t)
	if err != nil {
		return nil, err
	}
	counters.connects.Add(1)
	return newConn(o, t, first, report), nil
}

// open dials, verifies and starts a session. An error is an [*Error] in its final words.
func (o Options) open(ctx context.Context, t *target) (*session, *Report, error) {
	opened, report, err := o.dial(ctx, t)
	if err != nil {
		failure := o.connectError(t, err)
		failure.Report = report
		counters.connectsFailed.Add(1)
		logf(LevelWarning, "connecting to %s failed: %s: %s", t.endpoint.Host, failure.Reason, failure.Message)
		return nil, nil, failure
	}
	logf(LevelInfo, "connected to %s: enclave %s was verified", t.endpoint.Host, report.ModuleID)
	return opened.start(), report, nil
}

// dial gives a session that is not started. The report is that of an accepted document or of a
// refused one.
func (o Options) dial(ctx context.Context, t *target) (*session, *Report, error) {
	socket, document, report, err := o.dialAttested(ctx, t)
	if err != nil {
		return nil, report, err
	}
	socket.SetReadLimit(maxReply)
	again := "connect again to go on"
	if o.Reconnect {
		again = "the next call connects again"
	}
	opened := &session{
		socket: socket, document: document, publicKey: document.PublicKey, host: t.endpoint.Host, timeout: t.timeout,
		pingEvery: pingEvery, secret: o.Token, again: again,
	}
	if o.SignedResults {
		if opened.results, err = newResultVerifier(document.Document, report); err != nil {
			_ = socket.Close()
			return nil, report, err
		}
	}
	return opened, report, nil
}

// dialAttested gives a connection to an enclave that was verified, and its document.
func (o Options) dialAttested(ctx context.Context, t *target) (*transport.Conn, *attested, *Report, error) {
	socket, err := transport.Dial(ctx, transport.DialOptions{
		URL: t.endpoint, Subprotocols: t.subprotocols, TLSRoots: t.authorities,
		AllowPlaintext: o.InsecureWS, Proxy: t.proxy, ReadLimit: maxAttestation,
	})
	if err != nil {
		return nil, nil, nil, err
	}
	document, report, err := o.attest(ctx, t, socket)
	if err != nil {
		_ = socket.Close()
		return nil, nil, report, err
	}
	return socket, document, report, nil
}

// attest asks for an attestation document and verifies it. report is nil when none came.
func (o Options) attest(ctx context.Context, t *target, socket *transport.Conn) (*attested, *Report, error) {
	// Reading and writing know deadlines, not contexts.
	stop := transport.SpawnWhenDone(ctx, func() { _ = socket.Close() }, nil)
	defer stop()
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce) // never fails: it ends the process where no randomness is to be had
	start := wire.EncodeUnsignedStart(nonce)
	if o.SignedResults {
		start = wire.EncodeStart(nonce)
	}
	raw, err := exchange(ctx, socket, start)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, connectWaitError(ctx, t.endpoint.Host)
		}
		return nil, nil, err
	}
	defer countVerification(time.Now())
	document, report, err := verifier.Verify(raw, attest.Options{
		Roots: t.roots, Nonce: nonce, PublicKeyLength: hpke.KeySize, Policy: o.Policy,
	})
	if err != nil {
		return nil, report, err
	}
	if !stop() {
		return nil, nil, connectWaitError(ctx, t.endpoint.Host)
	}
	return &attested{document, raw}, report, nil
}

// exchange sends the first message and returns the document that answers it.
func exchange(ctx context.Context, socket *transport.Conn, start []byte) ([]byte, error) {
	deadline, _ := ctx.Deadline()
	if err := socket.Write(transport.Text, start, deadline); err != nil {
		return nil, err
	}
	kind, frame, err := socket.Read()
	if err != nil {
		return nil, err
	}
	if kind != transport.Text {
		return nil, NewError("protocol.frame", "the attestation document came as a binary message, not as text: is the peer a Cape enclave?")
	}
	return wire.DecodeAttestation(frame)
}

func connectWaitError(ctx context.Context, host string) *Error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return NewError("cancelled.not_sent", "connecting to "+host+" was cancelled")
	}
	return attestationTimeout(host)
}

func attestationTimeout(host string) *Error {
	return NewError("timeout.connect", host+" accepted the connection but did not attest before the deadline: check that it is a Cape enclave, or allow more time")
}

// connectError gives any failure of Connect its final words: the host, never the token.
func (o Options) connectError(t *target, err error) *Error {
	host := t.endpoint.Host
	failure := *AsError(err)
	var said *wire.ServerError
	switch {
	case errors.As(err, &said):
		failure = *NewError("connect.enclave_error", fmt.Sprintf("%s refused the session: %s", host, said.Text))
	case failure.Reason == "closed.lost", failure.Reason == "closed.peer":
		failure = *NewError("connect.lost", host+" closed the connection before it attested: look in the enclave's log")
	case failure.Reason == "timeout.write":
		failure = *attestationTimeout(host)
	case failure.Reason == "auth.rejected" && o.Token == "":
		failure.Message = strings.Replace(failure.Message, " refused the token (", " wants a token, and none was given (", 1)
	case failure.Reason == "connect.function":
		failure.Message = strings.Replace(failure.Message, " has no such function,", " has no function "+o.Function+",", 1)
	case failure.Reason == "limit.message":
		failure = *NewError("limit.reply", fmt.Sprintf("%s sent more than %d bytes in place of an attestation document", host, maxAttestation))
	}
	for _, gone := range goneHosts {
		if t.endpoint.Hostname() == gone && (failure.Code == CodeConnect || failure.Code == CodeTimeout || failure.Code == CodeTLS) {
			failure.Message += "; the public Cape service has ended: run an enclave of your own, 'cape enclave DIR' starts a local one, and pass its url"
		}
	}
	failure.Message = withoutSecret(failure.Message, o.Token)
	failure.cause = err
	return &failure
}
