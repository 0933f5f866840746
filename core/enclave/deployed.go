package enclave

import (
	"context"
	"crypto/sha256"
	"fmt"

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
	path, release, err := e.archives.acquire(f.id, f.checksum, func() ([]byte, error) {
		sealed, err := f.code()
		if err != nil {
			return nil, err
		}
		return e.unseal(ctx, f.owner, sealed)
	})
	if err != nil {
		return nil, nil, err
	}
	copied := *f
	copied.archive = path
	return &copied, release, nil
}

// unseal opens what was encrypted to a user's Cape key.
func (e *Enclave) unseal(ctx context.Context, owner string, sealed []byte) ([]byte, error) {
	key, err := e.service.Key(ctx, owner)
	if err != nil {
		return nil, err
	}
	return capekey.Decrypt(key, sealed)
}

// seal encrypts to a user's Cape key, in the raw form.
func (e *Enclave) seal(ctx context.Context, owner string, plain []byte) ([]byte, error) {
	public, err := e.publicKey(ctx, owner)
	if err != nil {
		return nil, err
	}
	return capekey.Encrypt(public, plain)
}

// checkedZip looks through a zip that has arrived, and returns its checksum.
func checkedZip(data []byte) (checksum [sha256.Size]byte, err error) {
	if err := checkZip(data); err != nil {
		return checksum, fmt.Errorf("the function cannot be taken: %w", err)
	}
	return sha256.Sum256(data), nil
}
