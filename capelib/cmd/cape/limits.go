package main

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/libcape/libcape/core/enclave"
)

// limitFlags are how much callers and functions of 'cape enclave' may use. What is zero is the
// enclave's own default.
type limitFlags struct {
	maxInput, memory, files size
	idle, cpu, call         time.Duration
	processes, descriptors  int
	workers                 int
	scratch                 string
}

func (l *limitFlags) register(command *cobra.Command) {
	f := command.Flags()
	f.Var(&l.maxInput, "max-input", "`SIZE` of an input at most, and of a result (default 64MiB)")
	f.DurationVar(&l.idle, "idle-timeout", 0, "`TIME` after which a connection is ended on which nothing happens (default 1m)")
	f.Var(&l.memory, "memory", "`SIZE` of memory that a function may take; four times --max-input at the least (default 1GiB)")
	f.DurationVar(&l.cpu, "cpu-time", 0, "`TIME` of processors that one call may take (default 2m)")
	f.DurationVar(&l.call, "call-time", 0, "`TIME` that one call may take by the clock (default 30m)")
	f.IntVar(&l.processes, "processes", 0, "`NUMBER` of processes and threads that a function may have (default 256)")
	f.IntVar(&l.descriptors, "descriptors", 0, "`NUMBER` of files that each of them may have open (default 1024)")
	f.Var(&l.files, "files", "`SIZE` of all that a function may write, with its own folder (default 1GiB)")
	f.IntVar(&l.workers, "workers", 0, "`NUMBER` of processes that are started before they are needed (default 1)")
	f.StringVar(&l.scratch, "scratch", "", "make private copies of functions in `DIR` (default the folder of temporary files)")
}

// apply checks the limits, and adds them to the options.
func (l *limitFlags) apply(o *enclave.Options) error {
	for name, negative := range map[string]bool{
		"idle-timeout": l.idle < 0, "cpu-time": l.cpu < 0, "call-time": l.call < 0,
		"processes": l.processes < 0, "descriptors": l.descriptors < 0, "workers": l.workers < 0,
	} {
		if negative {
			return usagef("--%s is negative: give a positive value, or leave the flag out", name)
		}
	}
	o.MaxInput, o.IdleTimeout, o.WorkersAhead, o.Scratch = int64(l.maxInput), l.idle, l.workers, l.scratch
	o.Limits.Memory, o.Limits.Files, o.Limits.CPU, o.Limits.Time = int64(l.memory), int64(l.files), l.cpu, l.call
	o.Limits.Processes, o.Limits.Descriptors = l.processes, l.descriptors
	return nil
}

// size is a flag's value in bytes.
type size int64

var units = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}}

func (s *size) Set(text string) error {
	factor := int64(1)
	for _, unit := range units {
		if number, found := strings.CutSuffix(text, unit.name); found {
			text, factor = number, unit.bytes
			break
		}
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number <= 0 || number > math.MaxInt64/factor {
		return strconv.ErrSyntax
	}
	*s = size(number * factor)
	return nil
}

func (s *size) Type() string { return "size" }

func (s *size) String() string {
	if *s == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*s), 10)
}
