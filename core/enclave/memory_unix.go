//go:build unix

package enclave

import (
	"fmt"
	"syscall"
)

// reserve gives memory, and takes it back. The system wipes it.
func reserve(size int64) (memory []byte, release func(), err error) {
	if size == 0 {
		return nil, func() {}, nil
	}
	memory, err = syscall.Mmap(-1, 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, nil, fmt.Errorf("there is no memory for %d bytes: %w", size, err)
	}
	return memory, func() { _ = syscall.Munmap(memory) }, nil
}
