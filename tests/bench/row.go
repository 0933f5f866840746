package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// row is one line of the table: one operation of one language. The exported fields are the JSON.
type row struct {
	Language  string `json:"language"`
	Operation string `json:"operation"`
	Size      int    `json:"size"`      // bytes of the input; 0 where there is none
	InFlight  int    `json:"in_flight"` // calls under way at once

	NS          float64    `json:"ns"` // of one call: the median over rounds
	Quartiles   [2]float64 `json:"ns_quartiles"`
	CPUNS       float64    `json:"cpu_ns"`        // of the client's process, for one call
	ServerCPUNS float64    `json:"server_cpu_ns"` // of the server's process, for one call
	Rounds      int        `json:"rounds"`
	Batch       int        `json:"batch"` // calls in a round

	// Medians of the ratios of each round; absent where they make no sense.
	ToRaw     *float64 `json:"to_raw,omitempty"`      // raw echo, or raw dial
	ToSum     *float64 `json:"to_sum,omitempty"`      // raw echo, one seal and one open
	Speedup   *float64 `json:"speedup,omitempty"`     // over one caller that waits
	ToLibc    *float64 `json:"to_libc,omitempty"`     // a call of libc from the same language
	MoreThanC *float64 `json:"more_than_c,omitempty"` // in nanoseconds
	ToC       *float64 `json:"to_c,omitempty"`
	Resident  int64    `json:"resident,omitempty"` // bytes of memory of the process, the latest
	Goals     []goal   `json:"targets,omitempty"`

	command string // what the worker calls the operation; empty: the same
	worker  *process
	server  *process
	ns      []float64 // of one call, by round; NaN in a round that left this row out
	cpu     []float64
	load    []float64 // CPU of the server
}

// run measures one batch and returns its nanoseconds for each call.
func (r *row) run(count int) (ns, cpu, load float64, err error) {
	var before, after used
	var got sample
	t := task{cmp.Or(r.command, r.Operation), r.Size, r.InFlight, count}
	if err := errors.Join(r.server.ask("cpu", &before), r.worker.ask(t.String(), &got), r.server.ask("cpu", &after)); err != nil {
		return 0, 0, 0, err
	}
	if got.Error != "" {
		return 0, 0, 0, fmt.Errorf("%s, %s: %s", r.Language, t, got.Error)
	}
	r.Resident = got.Resident
	n := float64(count)
	// Calls that did not count were one tenth more; the server cannot tell them apart.
	return float64(got.NS) / n, float64(got.CPUNS) / n, float64(after.CPUNS-before.CPUNS) / float64(count+count/10), nil
}

// calibrate finds how many calls take about as long as a batch should. It also warms up what is
// done once: memory, caches, compilers.
func (r *row) calibrate(batch time.Duration) error {
	r.Batch = r.InFlight
	for range 2 {
		ns, _, _, err := r.run(r.Batch)
		if err != nil {
			return err
		}
		count := int(float64(batch) / max(ns, 1))
		r.Batch = min(max(count, r.InFlight), 500_000)
	}
	return nil
}

// measure is this row's part of a round.
func (r *row) measure() error {
	ns, cpu, load, err := r.run(r.Batch)
	r.ns, r.cpu, r.load = append(r.ns, ns), append(r.cpu, cpu), append(r.load, load)
	return err
}

// skip leaves this row out of a round.
func (r *row) skip() {
	r.ns = append(r.ns, math.NaN())
}

func (r *row) latest() float64 { return r.ns[len(r.ns)-1] }

// summarise turns what was measured into what is printed.
func (r *row) summarise() {
	ns := known(r.ns)
	r.Rounds = len(ns)
	r.NS, r.Quartiles = quantile(ns, 0.5), [2]float64{quantile(ns, 0.25), quantile(ns, 0.75)}
	r.CPUNS, r.ServerCPUNS = quantile(r.cpu, 0.5), quantile(r.load, 0.5)
}

// compare is the median over the rounds that both rows took part in.
func compare(a, b *row, by func(a, b float64) float64) *float64 {
	var values []float64
	for i := range min(len(a.ns), len(b.ns)) {
		values = append(values, by(a.ns[i], b.ns[i]))
	}
	return median(values)
}

func ratio(a, b float64) float64      { return a / b }
func difference(a, b float64) float64 { return a - b }

func known(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), math.IsNaN)
}

// median is nil where nothing is known.
func median(values []float64) *float64 {
	values = known(values)
	if len(values) == 0 {
		return nil
	}
	middle := quantile(values, 0.5)
	return &middle
}

// quantile interpolates between the two nearest values.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	below := int(at)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (sorted[above]-sorted[below])*(at-float64(below))
}
