package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// task is one batch: a line "run <operation> <size> <in flight> <count>" to a worker.
type task struct {
	operation string
	size      int // bytes of one input; 0 where there is none
	inFlight  int // calls that are under way at once; 1: one caller that waits
	count     int
}

func (t task) String() string {
	return fmt.Sprintf("run %s %d %d %d", t.operation, t.size, t.inFlight, t.count)
}

// sample is a worker's answer, a line of JSON: what count calls took in all, in nanoseconds by
// the clock and of the worker's CPU. An error ends the benchmark.
type sample struct {
	NS       int64  `json:"ns"`
	CPUNS    int64  `json:"cpu_ns"`
	Resident int64  `json:"resident,omitempty"` // bytes of memory, where that is measured
	Error    string `json:"error,omitempty"`
}

// bench measures one batch. It returns the time of what is measured only, such as connecting and
// not closing.
type bench func(task) (time.Duration, error)

// work is a worker in Go. Its first line of input is the target, as JSON, and each further one a
// task. It ends with its input.
func work(input io.Reader, output io.Writer, open func(target) (bench, func(), error)) error {
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		return lines.Err()
	}
	var t target
	if err := json.Unmarshal(lines.Bytes(), &t); err != nil {
		return err
	}
	run, stop, err := open(t)
	if err != nil {
		return err
	}
	defer stop()
	answers := json.NewEncoder(output)
	for lines.Scan() {
		var next task
		_, err := fmt.Sscanf(lines.Text(), "run %s %d %d %d", &next.operation, &next.size, &next.inFlight, &next.count)
		if err != nil {
			return fmt.Errorf("not a task: %q", lines.Text())
		}
		if err := answers.Encode(measure(run, next)); err != nil {
			return err
		}
	}
	return lines.Err()
}

// measure runs a batch after a few calls that do not count: this process has just been idle.
func measure(run bench, t task) sample {
	if t.count >= 10 {
		warm := t
		warm.count = t.count / 10
		if _, err := run(warm); err != nil {
			return sample{Error: oneLine(err)}
		}
	}
	before := cpuTime()
	elapsed, err := run(t)
	if err != nil {
		return sample{Error: oneLine(err)}
	}
	return sample{NS: int64(elapsed), CPUNS: int64(cpuTime() - before)}
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
