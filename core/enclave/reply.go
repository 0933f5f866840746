package enclave

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/libcape/libcape/core/capekey"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

// maxErrorText bounds what a caller is told about an error, in bytes.
const maxErrorText = 4096

// reply answers one request, and reports whether the session goes on.
func (s *session) reply(ctx context.Context, r runner, q request) bool {
	if s.enclave.faulty(InvokeDropped) {
		_ = s.conn.Close()
		return false
	}
	if err := s.mayGoOn(); err != nil {
		s.log.Info("session ended: what it was allowed, it is no longer", "reason", err)
		s.end(s.enclave.toldOf(err))
		return false
	}
	frame, err := s.result(ctx, r, q)
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		frame = wire.EncodeError(boundText(err.Error()))
	}
	return s.sendReply(ctx, frame)
}

// result opens a request, runs the function and encodes what it gave. An error is for the
// caller to read, and the session goes on after it.
func (s *session) result(ctx context.Context, r runner, q request) ([]byte, error) {
	if q.dropped {
		return nil, errors.New(tooMany)
	}
	if q.kind != transport.Binary {
		return nil, fmt.Errorf("a request is a binary message: this one was text")
	}
	if size, limit := int64(len(q.data)), s.enclave.maxSealed(); size > limit {
		return nil, fmt.Errorf("a request of %d bytes: this enclave takes at most %d", size, limit)
	}
	input, err := s.key.Open(q.data)
	if err != nil {
		return nil, err
	}
	if capekey.IsCiphertext(input) {
		if input, err = s.enclave.unseal(ctx, s.function.owner, input); err != nil {
			return nil, errors.New(s.enclave.toldOf(err))
		}
	}
	var inputSum func() []byte
	if s.signer != nil { // unsigned, checksums prove nothing
		inputSum = s.digest(input)
	}
	output, err := r.invoke(ctx, input)
	if ctx.Err() != nil {
		return nil, ctx.Err() // a handler may still be using the input
	}
	sums := wire.Checksums{Function: s.function.checksum[:]}
	if s.signer != nil {
		sums.Input = inputSum()
	}
	defer clear(input)
	if err != nil {
		return nil, err
	}
	if s.function.handler == nil {
		defer clear(output) // what a handler returns may be of use to it again
	}
	if size, limit := int64(len(output)), s.enclave.maxPlain(); size > limit {
		return nil, fmt.Errorf("the result has %d bytes: this enclave takes at most %d", size, limit)
	}
	if s.signer == nil {
		return wire.EncodeResult(wire.Result{Output: output}), nil
	}
	sums.Output = s.digest(output)()
	signature, err := s.signer.sign(sums)
	if err != nil {
		return nil, err
	}
	return wire.EncodeResult(wire.Result{Output: output, Checksums: &sums, SignedChecksums: signature}), nil
}

// digest is the SHA-256 of data, which may only be read until the result was asked for. That of
// much data is made meanwhile.
func (s *session) digest(data []byte) (result func() []byte) {
	const much = 64 << 10
	var sum [sha256.Size]byte
	if len(data) < much {
		sum = sha256.Sum256(data)
		return func() []byte { return sum[:] }
	}
	done, made := make(chan struct{}), false
	transport.Spawn(func() {
		defer close(done)
		sum = sha256.Sum256(data)
		made = true
	}, s.enclave.panicked)
	return func() []byte {
		<-done
		if !made {
			panic("no digest was made") // which ends the session: better than a reply with a wrong one
		}
		return sum[:]
	}
}

func boundText(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) > maxErrorText {
		return strings.ToValidUTF8(text[:maxErrorText], "") + "..."
	}
	return text
}
