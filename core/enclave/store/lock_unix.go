//go:build unix

package store

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// A process that was killed while it was starting another may have left it a copy of the lock's
// descriptor, which that one closes in a moment.
const (
	lockTries = 20
	lockPause = 50 * time.Millisecond
)

// lockFile takes a lock that ends with the process, or with the file.
func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for try := range lockTries {
		if try > 0 {
			time.Sleep(lockPause)
		}
		if err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errInUse
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// unlockFile gives the lock back, also where a child that is just being started has a copy of the
// descriptor.
func unlockFile(file *os.File) {
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	_ = file.Close()
}
