package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/libcape/libcape/tests/abi/built"
)

// TestMain lets this program be its own children, as the benchmark is.
func TestMain(m *testing.M) {
	if err := os.Chdir(built.Root()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if len(os.Args) == 3 && os.Args[1] == "-role" {
		if err := play(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestEveryRowIsMeasured(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bench.json")
	var table strings.Builder
	err := run([]string{"-seconds", "0", "-rounds", "1", "-sizes", "64,65536", "-json", file,
		"-library", built.Library(t), "-python", built.Python(t)}, &table, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got results
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	rows := map[string]*row{}
	for _, r := range got.Rows {
		rows[fmt.Sprintf("%s %s %d %d", r.Language, r.Operation, r.Size, r.InFlight)] = r
		if !(r.NS > 0 && r.Rounds > 0 && r.Batch > 0 && r.Quartiles[0] <= r.NS && r.NS <= r.Quartiles[1]) {
			t.Errorf("%s, %s: measured nothing: %+v", r.Language, r.Operation, r)
		}
		if !strings.Contains(table.String(), r.label()) {
			t.Errorf("the table lacks %q", r.label())
		}
	}
	want := func(language, operation string, size, inFlight int, has func(*row) bool, targets int) {
		name := fmt.Sprintf("%s %s %d %d", language, operation, size, inFlight)
		r := rows[name]
		switch {
		case r == nil:
			t.Errorf("there is no row %q", name)
		case !has(r):
			t.Errorf("%q is not compared: %+v", name, r)
		case len(r.Goals) != targets:
			t.Errorf("%q has %d targets, want %d", name, len(r.Goals), targets)
		}
		delete(rows, name)
	}
	alone := func(r *row) bool { return r.ToRaw == nil && r.ToSum == nil }
	toRaw := func(r *row) bool { return r.ToRaw != nil && *r.ToRaw > 0 && r.ToSum == nil && r.CPUNS > 0 }
	toSum := func(r *row) bool {
		return r.ToRaw != nil && r.ToSum != nil && *r.ToSum < *r.ToRaw && r.CPUNS > 0 && r.ServerCPUNS >= 0
	}
	faster := func(r *row) bool { return toSum(r) && r.Speedup != nil && *r.Speedup > 0 }
	for _, language := range []string{inC, inPython, inNode} {
		want(language, "enter", 0, 1, alone, 0)
	}
	want(inC, "call", 0, 1, alone, 0)
	want(inPython, "libc", 0, 1, alone, 0)
	want(inPython, "call", 0, 1, func(r *row) bool { return r.ToLibc != nil }, 1)
	want(inNode, "call", 0, 1, alone, 1)
	want(inPython, "import", 0, 1, alone, 0)
	want(inPython, "process", 16<<20, 1, func(r *row) bool { return r.Resident > 32<<20 }, 0)
	want("raw dial", "connect", 0, 1, alone, 0)
	for _, language := range []string{inGo, inC, inPython, inNode} {
		want(language, "connect", 0, 1, toRaw, 1)
	}
	for _, size := range []int{64, 64 << 10} {
		small := map[bool]int{true: 1}[size == 64]
		want("one HPKE seal", "seal", size, 1, alone, 0)
		want("one HPKE open", "open", size, 1, alone, 0)
		want(rawEcho, "invoke", size, 1, alone, 0)
		want("raw echo, sealed and opened", "sealed", size, 1, toSum, 0)
		want(inGo, "invoke", size, 1, toSum, 0)
		want(inC, "invoke", size, 1, toSum, 1)
		want(inPython, "invoke", size, 1, toSum, small)
		want(inNode, "invoke", size, 1, func(r *row) bool { return toSum(r) && r.ToC != nil && r.MoreThanC != nil }, small)
		want(rawEcho, "invoke", size, 64, func(r *row) bool { return r.Speedup != nil }, 0)
		want(inGo, "invoke", size, 64, faster, 0)
		want(inC, "invoke", size, 64, faster, small)
		want(inPython, "invoke", size, 64, faster, 0)
		want(inAsyncio, "invoke", size, 64, faster, small)
		want(inNode, "invoke", size, 64, faster, small)
	}
	want(toPython, "invoke", 64, 1, toSum, 0)
	for name := range rows {
		t.Errorf("nobody asked for the row %q", name)
	}
}

func TestAWorkersErrorEndsTheBenchmark(t *testing.T) {
	t.Parallel()
	s, err := parse([]string{"-library", built.Library(t), "-python", built.Python(t)}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	b, err := start(s, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	}()
	for name := range b.workers {
		if _, _, _, err := b.row(name, name, "nonsense", 64, 1).run(1); err == nil {
			t.Errorf("%s did what it does not know", name)
		}
	}
}

func TestRowsAreComparedRoundByRound(t *testing.T) {
	t.Parallel()
	a := &row{ns: []float64{20, 400, 60, math.NaN()}}
	b := &row{ns: []float64{10, 100, 30, 1}}
	if got := compare(a, b, ratio); got == nil || *got != 2 {
		t.Errorf("the median of the ratios 2, 4 and 2 is %v", got)
	}
	if got := compare(&row{ns: []float64{math.NaN()}}, b, ratio); got != nil {
		t.Errorf("%v for a row that was never measured", *got)
	}
	if got := quantile([]float64{4, 1, 3, 2}, 0.25); got != 1.75 {
		t.Errorf("the lower quartile of 1 to 4 is %v", got)
	}
}

func TestTargetsAreMetUpToTheirLimit(t *testing.T) {
	t.Parallel()
	number := func(value float64) *float64 { return &value }
	for _, c := range []struct {
		row row
		met bool
	}{
		{row{Language: inC, Operation: "invoke", Size: 64, InFlight: 1, ToSum: number(1.25)}, true},
		{row{Language: inC, Operation: "invoke", Size: 64, InFlight: 1, ToSum: number(1.26)}, false},
		{row{Language: inC, Operation: "invoke", Size: 64 << 10, InFlight: 1, ToSum: number(1.51)}, false},
		{row{Language: inC, Operation: "invoke", Size: 16 << 20, InFlight: 1, ToSum: number(2)}, true},
		{row{Language: inPython, Operation: "invoke", Size: 64, InFlight: 1, ToSum: number(1.61)}, false},
		{row{Language: inNode, Operation: "invoke", Size: 64, InFlight: 1, MoreThanC: number(100_000)}, true},
		{row{Language: inNode, Operation: "invoke", Size: 64, InFlight: 1, MoreThanC: number(101_000)}, false},
		{row{Language: inNode, Operation: "invoke", Size: 16 << 20, InFlight: 1, ToC: number(1.31)}, false},
		{row{Language: inC, Operation: "invoke", Size: 64, InFlight: 64, Speedup: number(1.99)}, false},
		{row{Language: inNode, Operation: "invoke", Size: 64, InFlight: 64, Speedup: number(2)}, true},
		{row{Language: inAsyncio, Operation: "invoke", Size: 64, InFlight: 64, Speedup: number(1.5)}, true},
		{row{Language: inC, Operation: "connect", ToRaw: number(4.1)}, false},
		{row{Language: inNode, Operation: "call", NS: 1001}, false},
		{row{Language: inPython, Operation: "call", ToLibc: number(1.9)}, true},
	} {
		c.row.judge()
		if len(c.row.Goals) != 1 || c.row.Goals[0].Met != c.met {
			t.Errorf("%s %s of %d B: %v, met should be %v", c.row.Language, c.row.Operation, c.row.Size, c.row.Goals, c.met)
		}
	}
}
