package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// interruption is the wait of a command for a signal to end it.
type interruption struct{ interrupted, terminated context.Context }

// untilInterrupted gives a context that the first SIGINT or SIGTERM ends. Before it is called they
// end the process, as they do by default.
func (e *environment) untilInterrupted(ctx context.Context) (context.Context, context.CancelFunc) {
	interrupted, stopInterrupted := signal.NotifyContext(ctx, os.Interrupt)
	terminated, stopTerminated := signal.NotifyContext(interrupted, syscall.SIGTERM)
	e.ending = interruption{interrupted, terminated}
	return terminated, func() {
		stopTerminated()
		stopInterrupted()
	}
}

// signalled is the signal that ended the command, or 0.
func (e *environment) signalled() syscall.Signal {
	switch {
	case came(e.ending.interrupted):
		return syscall.SIGINT
	case came(e.ending.terminated):
		return syscall.SIGTERM
	}
	return 0
}

// came reports whether a context was ended by its signal, and not because the wait was over.
func came(ctx context.Context) bool {
	return ctx != nil && ctx.Err() != nil && context.Cause(ctx) != context.Canceled
}
