package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libcape/libcape/capelib"
)

// caller measures capelib: what a program in Go calls, with no C in between.
type caller struct {
	options capelib.Options
	conn    *capelib.Conn
}

func newCaller(t target) (bench, func(), error) {
	encoded, err := json.Marshal(t.Options)
	if err != nil {
		return nil, nil, err
	}
	parsed, err := capelib.ParseOptions(encoded)
	if err != nil {
		return nil, nil, err
	}
	conn, err := capelib.Connect(context.Background(), parsed)
	if err != nil {
		return nil, nil, err
	}
	c := &caller{options: parsed, conn: conn}
	return c.run, func() { conn.Close() }, nil
}

func (c *caller) run(t task) (time.Duration, error) {
	switch t.operation {
	case "connect":
		return c.connect(t.count)
	case "invoke":
		input := payload(t.size)
		if t.inFlight > 1 {
			return c.many(input, t)
		}
		var reply []byte
		elapsed, err := timed(t.count, func() (err error) {
			reply, err = c.conn.Invoke(context.Background(), input)
			return err
		})
		if err == nil && !bytes.Equal(reply, input) {
			err = errors.New("the echo is not one")
		}
		return elapsed, err
	}
	return 0, fmt.Errorf("no operation %q", t.operation)
}

// many has a goroutine for each call in flight.
func (c *caller) many(input []byte, t task) (time.Duration, error) {
	var left atomic.Int64
	left.Store(int64(t.count))
	failures := make(chan error, t.inFlight)
	var callers sync.WaitGroup
	start := time.Now()
	for range t.inFlight {
		callers.Go(func() {
			for left.Add(-1) >= 0 {
				reply, err := c.conn.Invoke(context.Background(), input)
				if err == nil && len(reply) != len(input) {
					err = errors.New("the echo is not one")
				}
				if err != nil {
					failures <- err
					return
				}
			}
		})
	}
	callers.Wait()
	elapsed := time.Since(start)
	select {
	case err := <-failures:
		return 0, err
	default:
		return elapsed, nil
	}
}

func (c *caller) connect(count int) (time.Duration, error) {
	var elapsed time.Duration
	for range count {
		start := time.Now()
		conn, err := capelib.Connect(context.Background(), c.options)
		elapsed += time.Since(start)
		if err != nil {
			return 0, err
		}
		conn.Close()
	}
	return elapsed, nil
}
