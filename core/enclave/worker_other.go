//go:build !unix

package enclave

import (
	"context"
	"errors"
)

const workersSupported = false

type worker struct{}

func startWorker(context.Context, *spawner, command) (*worker, error) {
	return nil, errors.New("start the function: workers need a Unix system")
}

func (*worker) invoke([]byte) ([]byte, error) { return nil, errors.New("no worker") }
func (*worker) close()                        {}
