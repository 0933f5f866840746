//go:build unix

package enclave

import (
	"os"
	"path/filepath"
	"syscall"
)

// lockName is a file in a scratch folder, which the enclave's process keeps locked.
const lockName = "lock"

// claim marks a scratch folder as in use for as long as the file is open and the process lives.
// The file gets its name when it is locked, so that it is never seen unlocked before. On a file
// system without locks there is no such file, and nobody ever takes the folder for abandoned.
func claim(folder string) (*os.File, error) {
	file, err := os.CreateTemp(folder, "unlocked-*")
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, file.Close()
	}
	if err := os.Rename(file.Name(), filepath.Join(folder, lockName)); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// abandoned reports whether a scratch folder is of an enclave of this user whose process has
// ended.
func abandoned(folder string) bool {
	info, err := os.Lstat(folder)
	if err != nil || !info.IsDir() {
		return false
	}
	if status, ok := info.Sys().(*syscall.Stat_t); !ok || int(status.Uid) != os.Geteuid() {
		return false
	}
	file, err := os.Open(filepath.Join(folder, lockName))
	if err != nil {
		return false
	}
	defer file.Close()
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
