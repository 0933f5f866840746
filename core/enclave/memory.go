package enclave

import (
	"context"
	"io"
	"sync"
)

const (
	// muchMemory is what counts as much for one function, in bytes.
	muchMemory = 32 << 20
	// muchAtOnce bounds how many functions that take much memory are opened at once.
	muchAtOnce = 2
)

// awaitMemory waits until a function of this size may be opened: AES-GCM and HPKE open a text as a whole or
// not at all, which is why it has to be in memory once. leave has to be called when it is there no more.
func (e *Enclave) awaitMemory(ctx context.Context, size int64) (leave func(), err error) {
	if size <= muchMemory {
		return func() {}, nil
	}
	select {
	case e.much <- struct{}{}:
		return sync.OnceFunc(func() { <-e.much }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hold reads size bytes into memory that is not Go's, and so is back with the system at once when
// free is called.
func hold(from io.Reader, size int64) (data []byte, free func(), err error) {
	data, free, err = reserve(size)
	if err != nil {
		return nil, nil, err
	}
	if _, err := io.ReadFull(from, data); err != nil {
		free()
		return nil, nil, err
	}
	return data, free, nil
}
