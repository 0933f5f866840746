package enclave

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/libcape/libcape/core/transport"
)

// archiveLinger is how long the opened zip of a function is kept when its last session has ended.
// It lies in the scratch folder, and is gone with it.
const archiveLinger = 30 * time.Second

// archives are the zips of functions that run, opened. Sessions with one function share its zip.
type archives struct {
	folder string
	linger time.Duration

	mu     sync.Mutex
	opened map[string]*archive // by the function's id
}

// archive is one opened zip. users and timer belong to the lock of archives.
type archive struct {
	users int
	timer *time.Timer // removes it; nil while there are users
	ready chan struct{}
	path  string // set, as err, before ready is closed
	err   error
}

// opener gives the content of a function's zip, which is there until free is called.
type opener func() (content []byte, free func(), err error)

// acquire returns the path of a function's zip, which is there until release is called. open is
// called only when no other session has it.
func (a *archives) acquire(ctx context.Context, id string, checksum [sha256.Size]byte, open opener) (path string, release func(), err error) {
	for {
		kept, first := a.enter(id)
		release = sync.OnceFunc(func() { a.release(id, kept) })
		if first {
			a.fill(id, kept, checksum, open)
		}
		select {
		case <-kept.ready:
			err = kept.err
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err == nil {
			return kept.path, release, nil
		}
		release()
		if first || ctx.Err() != nil || !errors.Is(err, context.Canceled) {
			return "", nil, err
		}
		// The session that opened it has ended meanwhile, which is no concern of this one.
	}
}

// enter counts a session in, and says whether it is the first, whose task it is to fill the archive.
func (a *archives) enter(id string) (kept *archive, first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept, known := a.opened[id]
	if !known {
		kept = &archive{ready: make(chan struct{})}
		a.opened[id] = kept
	}
	kept.users++
	if kept.timer != nil {
		kept.timer.Stop()
		kept.timer = nil
	}
	return kept, !known
}

// fill opens the zip. One that cannot be opened is forgotten, so that the next session tries again.
func (a *archives) fill(id string, kept *archive, checksum [sha256.Size]byte, open opener) {
	kept.err = errors.New("defect in the enclave") // stands if open panics
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if kept.err != nil {
			a.drop(id, kept)
		}
		close(kept.ready)
	}()
	kept.path, kept.err = a.write(checksum, open)
}

func (a *archives) write(checksum [sha256.Size]byte, open opener) (string, error) {
	data, free, err := open()
	if err != nil {
		return "", err
	}
	defer free()
	if sha256.Sum256(data) != checksum {
		return "", fmt.Errorf("the function's zip is not the one that was deployed")
	}
	file, err := os.CreateTemp(a.folder, "function-*.zip")
	if err != nil {
		return "", err
	}
	if _, err = file.Write(data); err == nil {
		err = file.Close()
	} else {
		_ = file.Close()
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return "", err
	}
	return file.Name(), nil
}

func (a *archives) release(id string, kept *archive) {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept.users--
	if kept.users > 0 || kept.err != nil {
		return
	}
	var timer *time.Timer
	timer = transport.SpawnAfter(a.linger, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if kept.users == 0 && kept.timer == timer {
			a.drop(id, kept)
		}
	}, nil)
	kept.timer = timer
}

// drop forgets an archive and removes it. The lock is held.
func (a *archives) drop(id string, kept *archive) {
	if a.opened[id] == kept {
		delete(a.opened, id)
	}
	if kept.path != "" {
		_ = os.Remove(kept.path)
	}
}

// close stops what is still to come. The files go with their folder.
func (a *archives) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, kept := range a.opened {
		if kept.timer != nil {
			kept.timer.Stop()
		}
	}
}
