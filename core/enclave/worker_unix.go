//go:build unix && !linux

package enclave

import (
	"os"
	"syscall"
)

const socketFlags = 0

func withPidfd(attributes *syscall.SysProcAttr, _ *int) *syscall.SysProcAttr { return attributes }

// reap waits for the process and kills what is left of its group.
func (w *worker) reap() (*os.ProcessState, error) {
	state, err := w.process.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.killGroup()
	w.reaped = true
	return state, err
}

// sendMark does nothing: nobody keeps watch here.
func sendMark(int) {}
