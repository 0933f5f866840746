package enclave

import (
	"errors"
	"runtime"
	"syscall"

	"github.com/libcape/libcape/core/enclave/sandbox"
	"github.com/libcape/libcape/core/transport"
)

// command is a worker process to start.
type command struct {
	path      string
	arguments []string // the first is the program's name
	folder    string   // working directory
	env       []string
	limit     int64 // bytes of an output
	limits    sandbox.Limits
	system    *syscall.SysProcAttr
	contained bool // in a process namespace, which ends with its first process
}

// spawner starts processes from one thread, which lives until close: a parent-death signal,
// which workers are given so that they cannot outlive the enclave's process, comes when the
// thread that started them ends.
type spawner struct {
	work chan func()
	stop chan struct{}
	done chan struct{}
}

func newSpawner() *spawner {
	s := &spawner{work: make(chan func()), stop: make(chan struct{}), done: make(chan struct{})}
	transport.Spawn(func() {
		defer close(s.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for {
			select {
			case work := <-s.work:
				work()
			case <-s.stop:
				return
			}
		}
	}, nil)
	return s
}

// run calls start on the spawner's thread.
func (s *spawner) run(start func() error) error {
	result := make(chan error, 1)
	select {
	case s.work <- func() { result <- start() }:
		return <-result
	case <-s.done:
		return errors.New("the enclave is closed")
	}
}

// close may be called once, when every worker has ended.
func (s *spawner) close() {
	close(s.stop)
	<-s.done
}
