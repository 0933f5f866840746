package capelib

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

// zipRoom is what a zip of few files has beside their content, in bytes.
const zipRoom = 64 << 10

// Test runs a function once in an enclave without deploying it, and gives its result. path is a folder with an
// app.py, or a zip of one. Of the options, Function is not used; Timeout bounds the wait for the
// attestation, the sending of each part, and the wait for the result.
//
// The zip and its ciphertext are held in memory, each as a whole: the protocol seals it in one
// piece.
func Test(ctx context.Context, o Options, path string, input []byte) ([]byte, *Report, error) {
	t, err := o.checkAttested("/v1/test")
	if err != nil {
		return nil, nil, err
	}
	if err := checkInput(input); err != nil {
		return nil, nil, err
	}
	function, err := openSource(path)
	if err != nil {
		return nil, nil, err
	}
	defer function.close()
	// Room that is not used takes no memory; growing would, for a copy.
	archive := bytes.NewBuffer(make([]byte, 0, function.size+function.size/64+zipRoom))
	if err := function.write(archive, func(int) {}); err != nil {
		return nil, nil, unfit(path, err.Error())
	}
	dialing, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	socket, document, report, err := o.dialRoute(dialing, t)
	if err != nil {
		return nil, nil, err
	}
	defer socket.Close()
	stop := transport.SpawnWhenDone(ctx, func() { _ = socket.Close() }, nil)
	defer stop()
	socket.SetReadLimit(maxReply)
	u := upload{trial: true, options: o, target: t, socket: socket, replies: awaitReply(socket)}
	for _, part := range []*bytes.Buffer{archive, bytes.NewBuffer(input)} {
		encapsulated, sealed, err := hpke.SealApart(document.PublicKey, part.Bytes())
		if err != nil {
			return nil, nil, NewError("key.unusable", "the function cannot be sealed to the enclave's key: "+err.Error())
		}
		size := part.Len()
		*part = bytes.Buffer{} // of which there is a ciphertext now
		err = socket.WritePieces(transport.Binary, time.Now().Add(t.timeout+time.Duration(size/slowest)*time.Second), encapsulated, sealed)
		if err != nil {
			return nil, nil, u.failure(ctx, err, false)
		}
	}
	output, err := u.result(function.size)
	if err != nil {
		return nil, nil, u.failure(ctx, err, true)
	}
	socket.CloseWith(1000, "")
	return output, report, nil
}

// result waits for what the function gives.
func (u *upload) result(size int64) ([]byte, error) {
	timer := time.NewTimer(u.target.timeout + time.Duration(size/slowest)*time.Second)
	defer timer.Stop()
	select {
	case reply := <-u.replies:
		if reply.err != nil {
			return nil, reply.err
		}
		result, err := wire.DecodeResult(reply.frame)
		var said *wire.ServerError
		if errors.As(err, &said) {
			failure := *AsError(err)
			failure.Message = withoutSecret(failure.Message, u.options.Token)
			return nil, &failure
		}
		return result.Output, err
	case <-timer.C:
		return nil, NewError("timeout.outcome_unknown", "the deadline passed")
	}
}
