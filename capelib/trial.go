package capelib

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

// zipRoom is what a zip of few files has beside their content, in bytes.
const zipRoom = 64 << 10

// Trial says what to test: see [Test].
type Trial struct {
	Path  string // as in Deployment
	Input []byte
	// Progress, if not nil, is told how many bytes of the sealed function have been sent, of how
	// many. It is called by the goroutine of Run, and often.
	Progress func(done, total int64)
}

// Test runs a function once in an enclave without deploying it, and gives its result. path is a folder with an
// app.py, or a zip of one. Of the options, Function is not used; Timeout bounds the wait for the
// attestation, for the enclave to take each piece of what is sent, and for the result.
//
// The zip and its ciphertext are held in memory, each as a whole: the protocol seals it in one
// piece. It is made before the enclave is dialled.
func Test(ctx context.Context, o Options, path string, input []byte) ([]byte, *Report, error) {
	return Trial{Path: path, Input: input}.Run(ctx, o)
}

// Run is [Test].
func (d Trial) Run(ctx context.Context, o Options) ([]byte, *Report, error) {
	t, err := o.checkAttested("/v1/test")
	if err != nil {
		return nil, nil, err
	}
	if err := checkInput(d.Input); err != nil {
		return nil, nil, err
	}
	function, err := openSource(d.Path)
	if err != nil {
		return nil, nil, err
	}
	defer function.close()
	// Room that is not used takes no memory; growing would, for a copy.
	archive := bytes.NewBuffer(make([]byte, 0, function.size+function.size/64+zipRoom))
	if err := function.write(untilDone{ctx, archive}, func(int) {}); err != nil {
		if ctx.Err() != nil {
			return nil, nil, (&upload{trial: true}).failure(ctx, err, false)
		}
		return nil, nil, unfit(d.Path, err.Error())
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
	progress := d.Progress
	for _, part := range []*bytes.Buffer{archive, bytes.NewBuffer(d.Input)} {
		encapsulated, sealed, err := hpke.SealApart(document.PublicKey, part.Bytes())
		if err != nil {
			return nil, nil, NewError("key.unusable", "the function cannot be sealed to the enclave's key: "+err.Error())
		}
		*part = bytes.Buffer{} // of which there is a ciphertext now
		err = socket.WriteFrom(transport.Binary, t.timeout, func(w io.Writer) error {
			if _, err := w.Write(encapsulated); err != nil {
				return err
			}
			return writePieces(w, sealed, progress)
		})
		if err != nil {
			return nil, nil, u.failure(ctx, err, false)
		}
		progress = nil // it was the function's
	}
	output, err := u.result(function.size)
	if err != nil {
		return nil, nil, u.failure(ctx, err, true)
	}
	socket.CloseWith(1000, "")
	return output, report, nil
}

// untilDone writes until a context has ended.
type untilDone struct {
	ctx context.Context
	io.Writer
}

func (u untilDone) Write(data []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Writer.Write(data)
}

// writePieces tells after each piece how many bytes have been written.
func writePieces(w io.Writer, data []byte, progress func(done, total int64)) error {
	const piece = 256 << 10 // bytes
	for done := 0; done < len(data); {
		n, err := w.Write(data[done:min(done+piece, len(data))])
		if err != nil {
			return err
		}
		if done += n; progress != nil {
			progress(int64(done), int64(len(data)))
		}
	}
	return nil
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
