//go:build !unix

package enclave

import (
	"context"
	"errors"
	"log/slog"
)

const workersSupported = false

type worker struct{}

func startWorker(context.Context, *spawner, command) (*worker, error) {
	return nil, errors.New("start the function: workers need a Unix system")
}

func (*worker) wait() ([]string, error)              { return nil, errors.New("no worker") }
func (*worker) over() bool                           { return true }
func (*worker) assign(context.Context, *slog.Logger) {}
func (*worker) receive(string) error                 { return errors.New("no worker") }
func (*worker) invoke([]byte) ([]byte, error)        { return nil, errors.New("no worker") }
func (*worker) close()                               {}
