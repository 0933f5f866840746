package soak

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/tests/abi/built"
)

const patience = 2 * time.Minute

// served is `cape enclave --tls` with a function in Python that echoes.
type served struct {
	pid     int
	options capelib.Options
}

func serveEchoes(t *testing.T) served {
	t.Helper()
	python, err := exec.LookPath("python3")
	if named := os.Getenv("CAPE_PYTHON"); named != "" {
		python, err = named, nil
	}
	if err != nil {
		t.Skip("needs a python3 in PATH, or CAPE_PYTHON")
	}
	process := exec.Command(built.Path("build", "cape"), "enclave", "--tls", "--python", python, built.Path("tests", "functions", "echo"))
	process.Stderr = os.Stderr
	output, err := process.StdoutPipe()
	if err == nil {
		err = process.Start()
	}
	if err != nil {
		t.Fatalf("%v: run make build", err)
	}
	t.Cleanup(func() {
		_ = process.Process.Signal(os.Interrupt)
		guard := time.AfterFunc(patience, func() { _ = process.Process.Kill() })
		defer guard.Stop()
		_ = process.Wait()
	})
	guard := time.AfterFunc(patience, func() { _ = process.Process.Kill() })
	text, err := bufio.NewReader(output).ReadBytes('\n')
	guard.Stop()
	var line struct {
		URL   string `json:"url"`
		Root  string `json:"attestation_root"`
		TLSCA string `json:"tls_ca"`
	}
	if err = errors.Join(err, json.Unmarshal(text, &line)); err != nil {
		t.Fatalf("the enclave says %q: %v", text, err)
	}
	root, err := os.ReadFile(line.Root)
	authority, authorityErr := os.ReadFile(line.TLSCA)
	if err = errors.Join(err, authorityErr); err != nil {
		t.Fatal(err)
	}
	return served{process.Process.Pid, capelib.Options{
		URL: line.URL, Function: "local/echo", AttestationRoots: root, TLSCA: authority,
		Policy: &capelib.Policy{Any: true}, Timeout: patience,
	}}
}

// footprint is what processes take.
type footprint struct {
	resident    int // bytes of the enclave's own
	descriptors int // of the enclave's own
	workers     int // processes below it
	theirs      int // bytes resident in these, what they share counted for each
}

func (f footprint) String() string {
	return fmt.Sprintf("%d MiB and %d descriptors; %d processes below it with %d MiB", f.resident>>20, f.descriptors, f.workers, f.theirs>>20)
}

// most has the larger of each figure.
func (f footprint) most(g footprint) footprint {
	return footprint{max(f.resident, g.resident), max(f.descriptors, g.descriptors), max(f.workers, g.workers), max(f.theirs, g.theirs)}
}

func (s served) footprint() footprint {
	descriptors, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid))
	f := footprint{resident: status(s.pid, "VmRSS:") << 10, descriptors: len(descriptors)}
	below := map[int]bool{s.pid: true}
	entries, _ := filepath.Glob("/proc/[0-9]*")
	parents := make(map[int]int, len(entries))
	for _, entry := range entries {
		var pid int
		_, _ = fmt.Sscan(filepath.Base(entry), &pid)
		parents[pid] = status(pid, "PPid:")
	}
	for grown := true; grown; {
		grown = false
		for pid, parent := range parents {
			if below[parent] && !below[pid] {
				below[pid], grown = true, true
				f.workers++
				f.theirs += status(pid, "VmRSS:") << 10
			}
		}
	}
	return f
}

// status is a number in /proc/PID/status; 0 where the process has gone.
func status(pid int, name string) (number int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, line, _ := strings.Cut(string(text), "\n"+name)
	_, _ = fmt.Sscan(line, &number)
	return number
}

// visitor is one connection of the crowd, with what it waited for.
type visitor struct {
	connect, first time.Duration
	others         []time.Duration
}

func (v *visitor) visit(t *testing.T, o capelib.Options, number, invokes int, connected, all *sync.WaitGroup) error {
	began := time.Now()
	conn, err := capelib.Connect(t.Context(), o)
	v.connect = time.Since(began)
	connected.Done()
	if err != nil {
		return err
	}
	defer conn.Close()
	connected.Wait() // so that all are there at once
	for n := range invokes {
		input := bytes.Repeat(fmt.Appendf(nil, "%d of %d;", n, number), 1+n)
		began := time.Now()
		output, err := conn.Invoke(t.Context(), input)
		if err != nil {
			return err
		}
		if !bytes.Equal(output, input) {
			return fmt.Errorf("%q became %q", input, output)
		}
		if took := time.Since(began); n == 0 {
			v.first = took
		} else {
			v.others = append(v.others, took)
		}
	}
	all.Done()
	all.Wait()
	return nil
}

func spread(of []time.Duration) string {
	slices.Sort(of)
	if len(of) == 0 {
		return "none"
	}
	return fmt.Sprintf("p50 %v, p99 %v, at most %v", of[len(of)/2].Round(time.Microsecond), of[len(of)*99/100].Round(time.Microsecond), of[len(of)-1].Round(time.Microsecond))
}

func TestACrowdGetsTheRightAnswersAndLeavesNothing(t *testing.T) {
	connections, invokes := long(16, 200), long(10, 50)
	s := serveEchoes(t)
	var one, none sync.WaitGroup
	one.Add(1)
	none.Add(1)
	if err := new(visitor).visit(t, s.options, 0, 1, &one, &none); err != nil { // what is made once and kept
		t.Fatal(err)
	}
	before := s.settled(t, footprint{descriptors: 1 << 20, workers: 1 << 20})
	var connected, all sync.WaitGroup
	connected.Add(connections)
	all.Add(connections)
	visitors, errs := make([]visitor, connections), make(chan error, connections)
	began := time.Now()
	for i := range visitors {
		transport.Spawn(func() { errs <- visitors[i].visit(t, s.options, i, invokes, &connected, &all) }, func(value any) { t.Error(value) })
	}
	peak, ended := before, 0
	for ; ended < connections; peak = peak.most(s.footprint()) {
		select {
		case err := <-errs:
			if ended++; err != nil {
				t.Fatal(err)
			}
		case <-time.After(100 * time.Millisecond):
		}
	}
	took := time.Since(began)
	after := s.settled(t, before)
	var connects, firsts, others []time.Duration
	for _, v := range visitors {
		connects, firsts, others = append(connects, v.connect), append(firsts, v.first), append(others, v.others...)
	}
	slowest := slices.Max(connects)
	t.Logf(`%d connections at once, each with %d invokes, in %v
connect:       %s; %.0f in a second
first invoke:  %s
other invokes: %s
before: %v
most:   %v
after:  %v`, connections, invokes, took.Round(time.Millisecond), spread(connects), float64(connections)/slowest.Seconds(),
		spread(firsts), spread(others), before, peak, after)
	if after.descriptors > before.descriptors || after.workers > before.workers {
		t.Errorf("before there were %v, now %v", before, after)
	}
	// The heap of Go keeps what it had for some minutes, and had twice what it needed.
	if after.resident > before.resident+connections<<19+32<<20 {
		t.Errorf("%d MiB stay resident, %d were before", after.resident>>20, before.resident>>20)
	}
}

// settled waits until the enclave is back at this, and then until nothing changes any more: it
// starts processes ahead.
func (s served) settled(t *testing.T, at footprint) footprint {
	t.Helper()
	last, same := footprint{}, 0
	for deadline := time.Now().Add(patience / 4); same < 10 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		now := s.footprint()
		if now.descriptors == last.descriptors && now.workers == last.workers && now.descriptors <= at.descriptors && now.workers <= at.workers {
			same++
		} else {
			same = 0
		}
		last = now
	}
	return last
}
