package enclave

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"

	"github.com/libcape/libcape/core/capekey"
)

// deployedFunction is a function that the service keeps, as a session has it.
func (e *Enclave) deployedFunction(d *Deployed) *function {
	name := d.Name
	if name == "" {
		name = d.ID
	}
	return &function{name: name, id: d.ID, owner: d.Owner, checksum: d.Checksum, code: d.Code}
}

// opened returns a function with its zip at hand, which it is until release is called.
func (e *Enclave) opened(ctx context.Context, f *function) (with *function, release func(), err error) {
	if f.code == nil {
		return f, func() {}, nil
	}
	path, release, err := e.archives.acquire(ctx, f.id, f.checksum, func() ([]byte, func(), error) {
		code, size, err := f.code()
		if err != nil {
			return nil, nil, err
		}
		defer code.Close()
		return e.openCode(ctx, f.owner, code, size)
	})
	if err != nil {
		return nil, nil, err
	}
	copied := *f
	copied.archive = path
	return &copied, release, nil
}

// openCode opens a function's Cape ciphertext of this size, in bytes. Its zip is there until free is
// called.
func (e *Enclave) openCode(ctx context.Context, owner string, code io.Reader, size int64) (zipped []byte, free func(), err error) {
	key, err := e.service.Key(ctx, owner)
	if err != nil {
		return nil, nil, err
	}
	leave, err := e.awaitMemory(ctx, size)
	if err != nil {
		return nil, nil, err
	}
	sealed, release, err := hold(code, size)
	if err != nil {
		leave()
		return nil, nil, err
	}
	free = sync.OnceFunc(func() {
		release()
		leave()
	})
	if zipped, err = capekey.DecryptInPlace(key, sealed); err != nil {
		free()
		return nil, nil, err
	}
	return zipped, free, nil
}

// unseal opens what was encrypted to a user's Cape key. The plaintext may take the place of what was
// sealed.
func (e *Enclave) unseal(ctx context.Context, owner string, sealed []byte) ([]byte, error) {
	key, err := e.service.Key(ctx, owner)
	if err != nil {
		return nil, err
	}
	return capekey.DecryptInPlace(key, sealed)
}

// checkedZip looks through a zip that has arrived, and returns its checksum.
func checkedZip(data []byte) (checksum [sha256.Size]byte, err error) {
	if err := checkZip(data); err != nil {
		return checksum, fmt.Errorf("the function cannot be taken: %w", err)
	}
	return sha256.Sum256(data), nil
}
