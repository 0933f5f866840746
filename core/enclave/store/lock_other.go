//go:build !unix

package store

import (
	"errors"
	"os"
)

func lockFile(string) (*os.File, error) {
	return nil, errors.New("data folders need a Unix system")
}

func unlockFile(file *os.File) { _ = file.Close() }
