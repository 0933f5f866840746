package enclave

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/libcape/libcape/core/capekey"
	"github.com/libcape/libcape/core/transport"
)

// uploadRate is how many bytes of a function a client has to send in a second at least.
const uploadRate = 16 << 10

// upload is a message that lies in a file of the scratch folder, because it may be large. What
// has arrived of it takes no memory, whoever sends it and however slowly.
type upload struct {
	file *os.File
	size int64
}

// readUpload takes the messages up to the one that is a function, and reports whether the session
// goes on.
func (s *session) readUpload() bool {
	s.conn.SetReadLimit(maxUpload + frameSlack)
	for {
		kind, from, err := s.conn.Next()
		if err != nil {
			return false
		}
		next := request{kind: kind}
		if kind == transport.Binary {
			next.upload, err = s.enclave.newUpload(from)
		} else {
			next.data, err = readStart(from)
		}
		var lost *transport.Error
		if errors.As(err, &lost) {
			return false
		}
		if err != nil {
			s.end(s.enclave.toldOf(err))
			return false
		}
		if !s.queue.put(next) {
			s.conn.Refuse(closePolicy, tooMany)
			return false
		}
		if kind == transport.Binary {
			return true
		}
	}
}

// hurry ends the session of a client that holds a place among the uploads and sends its function too
// slowly, or only pings, until arrived is called.
func (s *session) hurry(ctx context.Context) (arrived func()) {
	if !s.uploads {
		return func() {}
	}
	ctx, arrived = context.WithCancel(ctx)
	begun := time.Now()
	transport.Spawn(func() {
		left := s.enclave.options.uploadTimeout
		for left > 0 {
			select {
			case <-time.After(left):
			case <-ctx.Done():
				return
			}
			left = s.enclave.options.uploadTimeout + time.Duration(s.conn.Received()/uploadRate)*time.Second - time.Since(begun)
		}
		s.log.Info("session ended: its function does not arrive")
		s.end("the function did not arrive in time: send it without a break")
	}, s.enclave.panicked)
	return arrived
}

// readStart reads a message of which no more is wanted than of a session's first one, and one byte
// that shows that it has more.
func readStart(from io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, maxStart+1))
	if err == nil {
		_, err = io.Copy(io.Discard, from)
	}
	return data, err
}

// createUpload makes an empty one. Its name is gone at once where the system allows that, so that
// it ends with the process.
func (e *Enclave) createUpload() (*upload, error) {
	folder := e.scratch
	if folder == "" {
		folder = e.options.Scratch
	}
	file, err := os.CreateTemp(folder, "upload-*")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(file.Name())
	return &upload{file: file}, nil
}

func (e *Enclave) newUpload(from io.Reader) (*upload, error) {
	u, err := e.createUpload()
	if err != nil {
		return nil, err
	}
	if u.size, err = io.Copy(u.file, from); err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

// close may be called more than once.
func (u *upload) close() {
	_ = u.file.Close()
	_ = os.Remove(u.file.Name())
}

// reader reads it from its beginning. There is one at a time. The system copies one file into
// another by itself where it is told of files, as here.
func (u *upload) reader() io.Reader {
	_, _ = u.file.Seek(0, io.SeekStart)
	return io.LimitReader(u.file, u.size)
}

func (u *upload) isCiphertext() (bool, error) {
	beginning := make([]byte, min(u.size, int64(len(capekey.Prefix))))
	_, err := io.ReadFull(u.reader(), beginning)
	return capekey.IsCiphertext(beginning), err
}

// openSealed opens a zip that was sealed to the session. It is there until free is called.
func (s *session) openSealed(ctx context.Context, arrived *upload) (zipped []byte, free func(), err error) {
	leave, err := s.enclave.awaitMemory(ctx, arrived.size)
	if err != nil {
		return nil, nil, err
	}
	sealed, release, err := hold(arrived.reader(), arrived.size)
	if err != nil {
		leave()
		return nil, nil, err
	}
	defer release()
	// The plaintext needs memory of its own: a sealed message has no parts that could be opened one by one, and
	// circl does not open in place.
	if zipped, err = s.key.Open(sealed); err != nil {
		leave()
		return nil, nil, err
	}
	return zipped, func() {
		size := len(zipped)
		clear(zipped)
		zipped = nil
		if size > muchMemory { // nothing else may come for long that makes the collector look
			debug.FreeOSMemory()
		}
		leave()
	}, nil
}

// seal encrypts to a user's Cape key, in the raw form.
func (e *Enclave) seal(ctx context.Context, owner string, plain []byte) (*upload, error) {
	public, err := e.publicKey(ctx, owner)
	if err != nil {
		return nil, err
	}
	u, err := e.createUpload()
	if err != nil {
		return nil, err
	}
	into, err := capekey.NewWriter(u.file, public)
	if err == nil {
		_, err = into.Write(plain)
		err = errors.Join(err, into.Close())
	}
	if err != nil {
		u.close()
		return nil, err
	}
	u.size = int64(len(plain) + capekey.Overhead)
	return u, nil
}
