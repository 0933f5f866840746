package main

import "fmt"

// goal is a target of one row, as it is printed. Nothing fails when it is missed.
type goal struct {
	Want  string  `json:"want"`
	Value float64 `json:"value"`
	Met   bool    `json:"met"`
}

func (g goal) String() string {
	if g.Met {
		return fmt.Sprintf("%s: %s, met", g.Want, digits(g.Value))
	}
	return fmt.Sprintf("%s: %s, MISSED", g.Want, digits(g.Value))
}

// compareRows fills in what depends on two rows, and then judges each row.
func compareRows(rows []*row) {
	find := func(language, operation string, size, inFlight int) *row {
		for _, r := range rows {
			if r.Language == language && r.Operation == operation && r.Size == size && r.InFlight == inFlight {
				return r
			}
		}
		return nil
	}
	for _, r := range rows {
		caller := r.Language
		if caller == inAsyncio {
			caller = inPython
		}
		if one := find(caller, r.Operation, r.Size, 1); one != nil && r.InFlight > 1 {
			r.Speedup = compare(one, r, ratio)
			if r.Language == rawEcho { // has more samples than rounds
				speedup := one.NS / r.NS
				r.Speedup = &speedup
			}
		}
		if c := find(inC, r.Operation, r.Size, 1); c != nil && r.Language == inNode && r.InFlight == 1 {
			r.ToC, r.MoreThanC = compare(r, c, ratio), compare(r, c, difference)
		}
		if libc := find(inPython, "libc", 0, 1); libc != nil && r.Language == inPython && (r.Operation == "call" || r.Operation == "enter") {
			r.ToLibc = compare(r, libc, ratio)
		}
		r.judge()
	}
}

// judge holds a row to the targets that are set for it.
func (r *row) judge() {
	atMost := func(value *float64, limit float64, want string) {
		if value != nil {
			r.Goals = append(r.Goals, goal{want, *value, *value <= limit})
		}
	}
	microseconds := func(ns *float64) *float64 {
		if ns == nil {
			return nil
		}
		value := *ns / 1000
		return &value
	}
	switch {
	case r.Operation == "connect":
		if r.Language != "raw dial" {
			atMost(r.ToRaw, 4, "at most 4 x raw")
		}
	case r.Operation == "call" && r.Language == inPython:
		atMost(r.ToLibc, 2, "at most 2 x libc")
	case r.Operation == "call" && r.Language == inNode:
		atMost(microseconds(&r.NS), 1, "at most 1 us")
	case r.Operation != "invoke":
	case r.InFlight > 1:
		// Larger ones keep all processors busy with one caller: more in flight cannot be faster.
		if limit, ok := map[string]float64{inC: 2, inNode: 2, inAsyncio: 1.5}[r.Language]; ok && r.Size == 64 && r.Speedup != nil {
			r.Goals = append(r.Goals, goal{fmt.Sprintf("at least %.4g x one caller", limit), *r.Speedup, *r.Speedup >= limit})
		}
	case r.Language == inC:
		if limit, ok := map[int]float64{64: 1.25, 64 << 10: 1.5, 16 << 20: 2}[r.Size]; ok {
			atMost(r.ToSum, limit, fmt.Sprintf("at most %.4g x sum", limit))
		}
	case r.Language == inPython && r.Size == 64:
		atMost(r.ToSum, 1.6, "at most 1.6 x sum")
	case r.Language == inNode && r.Size == 64:
		atMost(microseconds(r.MoreThanC), 100, "at most 100 us more than C")
	case r.Language == inNode && r.Size == 16<<20:
		atMost(r.ToC, 1.3, "at most 1.3 x C")
	}
}
