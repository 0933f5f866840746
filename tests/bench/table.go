package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
)

// results are what the JSON file holds.
type results struct {
	Go         string `json:"go"`
	Platform   string `json:"platform"`
	Processors int    `json:"processors"`
	// Load is how many processes wanted to run just before, on average over a minute. What others
	// do on the machine wanders into the results.
	Load float64 `json:"load_before"`
	Rows []*row  `json:"rows"`

	groups []*group
}

func conclude(groups []*group, load float64) *results {
	r := &results{Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Processors: runtime.NumCPU(), Load: load, groups: groups}
	for _, g := range groups {
		r.Rows = append(r.Rows, g.rows()...)
	}
	compareRows(r.Rows)
	return r
}

const legend = `
All over wss on loopback, TLS 1.3; server and clients share %d processors. Medians over rounds of
batches that alternate. raw: the echo of a websocket, or dialling it. sum: raw, one HPKE seal and
one HPKE open. speedup: over one caller who waits. cpu: of the client's process, and of the
server's, for one call. Before the start, %.1f other processes wanted to run.
`

// load is 0 where the system does not tell.
func load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	var average float64
	_, _ = fmt.Sscan(string(text), &average)
	return average
}

func (r *results) print(output io.Writer) {
	for _, g := range r.groups {
		// Numbers are set flush right, the first column and the last are text.
		table := tabwriter.NewWriter(output, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(output, "\n%s\n", g.title)
		fmt.Fprintln(table, "\tone call\tquartiles\tcpu\tserver cpu\t/ raw\t/ sum\tspeedup\t")
		width := 0
		for _, each := range g.rows() {
			width = max(width, len(each.label()))
		}
		for _, each := range g.rows() {
			var goals []string
			for _, goal := range each.Goals {
				goals = append(goals, goal.String())
			}
			if each.Resident > 0 {
				goals = append(goals, fmt.Sprintf("%d MB resident", each.Resident/1_000_000))
			}
			fmt.Fprintf(table, "  %-*s\t%s\t%s..%s\t%s\t%s\t%s\t%s\t%s\t  %s\n", width, each.label(), duration(each.NS),
				duration(each.Quartiles[0]), duration(each.Quartiles[1]), duration(each.CPUNS), duration(each.ServerCPUNS),
				times(each.ToRaw), times(each.ToSum), times(each.Speedup), strings.Join(goals, ", "))
		}
		_ = table.Flush()
	}
	fmt.Fprintf(output, legend, r.Processors, r.Load)
}

func (r *row) label() string {
	switch {
	case r.InFlight > 1:
		return fmt.Sprintf("%s, %d in flight", r.Language, r.InFlight)
	case r.Operation == "call":
		return r.Language + ", cape_version"
	case r.Operation == "enter":
		return r.Language + ", a call that enters Go"
	case r.Operation == "import":
		return r.Language + ", import pycape"
	case r.Operation == "process":
		return fmt.Sprintf("%s, import, connect, echo %s", r.Language, sizeText(r.Size))
	case r.Operation == "libc":
		return r.Language + ", labs of libc"
	}
	return r.Language
}

// duration has three digits that mean something.
func duration(ns float64) string {
	for _, unit := range []struct {
		name string
		ns   float64
	}{{"s", 1e9}, {"ms", 1e6}, {"us", 1e3}} {
		if ns >= unit.ns {
			return digits(ns/unit.ns) + " " + unit.name
		}
	}
	return digits(ns) + " ns"
}

func digits(value float64) string {
	switch {
	case value >= 100:
		return fmt.Sprintf("%.0f", value)
	case value >= 10:
		return fmt.Sprintf("%.1f", value)
	}
	return fmt.Sprintf("%.2f", value)
}

func times(value *float64) string {
	if value == nil {
		return ""
	}
	return digits(*value)
}
