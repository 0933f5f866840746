//go:build unix

package store

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes a lock that ends with the process, or with the file.
func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
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
