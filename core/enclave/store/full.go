package store

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrFull says that there is no room for what should be kept.
var ErrFull = errors.New("there is no room left")

// told makes an error of the system [ErrFull] where it says that.
func told(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
