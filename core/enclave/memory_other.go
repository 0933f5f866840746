//go:build !unix

package enclave

func reserve(size int64) (memory []byte, release func(), err error) {
	memory = make([]byte, size)
	return memory, func() { clear(memory) }, nil
}
