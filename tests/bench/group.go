package main

import (
	"fmt"
	"slices"
	"time"
)

// group is what is measured alternately, and becomes one part of the table.
type group struct {
	title  string
	weight float64 // of the time that is left
	steps  []step  // one round
}

// step is one row's part of a round.
type step struct {
	row *row
	// base is what the row is compared with, measured right before it, each time: the raw echo
	// first, then the others of which the sum is made. Empty: nothing.
	base []*row
	// every is in which rounds the step is taken: 1 in each, 2 in every other.
	every int
	toRaw []float64
	toSum []float64
}

const (
	inFlight      = 64
	inFlightBytes = 64 << 20 // of inputs, which bounds how many large ones are in flight
)

func (b *benchmark) row(worker, language, operation string, size, inFlight int) *row {
	return &row{Language: language, Operation: operation, Size: size, InFlight: inFlight,
		worker: b.workers[worker], server: b.server}
}

// groups are all that is measured.
func (b *benchmark) groups() []*group {
	all := []*group{b.calls(), b.processes(), b.connects()}
	for _, size := range b.settings.sizes {
		all = append(all, b.invokes(size))
	}
	return all
}

// calls is what entering the library costs, without any work.
func (b *benchmark) calls() *group {
	g := &group{title: "one call into the library", weight: 0.2}
	for _, language := range []string{inC, inPython, inNode} {
		for _, operation := range []string{"call", "enter"} {
			g.add(b.row(language, language, operation, 0, 1), 1)
		}
	}
	g.add(b.row(inPython, inPython, "libc", 0, 1), 1)
	return g
}

// processes is what a program costs that does not live long.
func (b *benchmark) processes() *group {
	g := &group{title: "a process", weight: 0.4}
	g.add(b.row(inPython, inPython, "import", 0, 1), 1)
	g.add(b.row(inPython, inPython, "process", 16<<20, 1), 1)
	return g
}

// connects compares with TCP, TLS and the websocket's handshake to a server that does no more.
func (b *benchmark) connects() *group {
	g := &group{title: "connect", weight: 0.6}
	dial := b.row(rawEcho, "raw dial", "connect", 0, 1)
	for _, language := range languages {
		g.add(b.row(language, language, "connect", 0, 1), 1, dial)
	}
	return g
}

// invokes is one size, with one caller and with many calls in flight.
func (b *benchmark) invokes(size int) *group {
	g := &group{title: "invoke, " + sizeText(size), weight: 1}
	seal := b.row(rawEcho, "one HPKE seal", "seal", size, 1)
	open := b.row(rawEcho, "one HPKE open", "open", size, 1)
	one := b.row(rawEcho, rawEcho, "invoke", size, 1)
	for _, language := range languages {
		g.add(b.row(language, language, "invoke", size, 1), 1, one, seal, open)
	}
	if size <= 64 {
		g.add(b.row(toPython, toPython, "invoke", size, 1), 1, one, seal, open)
	}
	g.add(b.row(rawEcho, "raw echo, sealed and opened", "sealed", size, 1), 1, one, seal, open)

	every := 1
	if size >= 1<<20 {
		every = 2 // rounds are long
	}
	flying := min(inFlight, max(2, inFlightBytes/size))
	many := b.row(rawEcho, rawEcho, "invoke", size, flying)
	for _, language := range languages {
		g.add(b.row(language, language, "invoke", size, flying), every, many, seal, open)
	}
	tasks := b.row(inPython, inAsyncio, "invoke", size, flying)
	tasks.command = "asyncio"
	g.add(tasks, every, many, seal, open)
	return g
}

func (g *group) add(r *row, every int, base ...*row) {
	g.steps = append(g.steps, step{row: r, base: base, every: every})
}

// rows are those of the group, each above those that are compared with it.
func (g *group) rows() []*row {
	var all []*row
	for _, s := range g.steps {
		for _, r := range append(slices.Clone(s.base), s.row) {
			if !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
	}
	return all
}

// measure runs rounds for about as long as is given, and at least minimum.
func (g *group) measure(share time.Duration, minimum int) error {
	deadline := time.Now().Add(share)
	batches := 0
	for _, s := range g.steps {
		batches += 1 + len(s.base)
	}
	batch := min(max(share/time.Duration(8*batches), 50*time.Microsecond), 20*time.Millisecond)
	for _, r := range g.rows() {
		if err := r.calibrate(batch); err != nil {
			return err
		}
	}
	for round := 0; round < minimum || time.Now().Before(deadline); round++ {
		if err := g.round(round); err != nil {
			return err
		}
	}
	for i := range g.steps {
		s := &g.steps[i]
		s.row.ToRaw, s.row.ToSum = median(s.toRaw), median(s.toSum)
	}
	for _, r := range g.rows() {
		r.summarise()
	}
	return nil
}

func (g *group) round(number int) error {
	for i := range g.steps {
		s := &g.steps[i]
		if number%s.every != 0 {
			s.row.skip()
			continue
		}
		sum := 0.0
		for _, r := range s.base {
			if err := r.measure(); err != nil {
				return err
			}
			sum += r.latest()
		}
		if err := s.row.measure(); err != nil {
			return err
		}
		if len(s.base) > 0 {
			s.toRaw = append(s.toRaw, s.row.latest()/s.base[0].latest())
		}
		if len(s.base) > 1 {
			s.toSum = append(s.toSum, s.row.latest()/sum)
		}
	}
	return nil
}

// measure goes through all groups, each with its share of the time that is left.
func (b *benchmark) measure() (*results, error) {
	groups, before := b.groups(), load()
	end, weights := time.Now().Add(b.settings.duration), 0.0
	for _, g := range groups {
		weights += g.weight
	}
	for _, g := range groups {
		left := time.Until(end)
		share := max(0, time.Duration(float64(left)*g.weight/weights))
		weights -= g.weight
		fmt.Fprintf(b.progress, "bench: %s, for about %.0f s of %.0f\n", g.title, share.Seconds(), max(0, left.Seconds()))
		if err := g.measure(share, b.settings.minimum); err != nil {
			return nil, err
		}
	}
	return conclude(groups, before), nil
}

func sizeText(size int) string {
	switch {
	case size >= 1<<20 && size%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", size>>20)
	case size >= 1<<10 && size%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", size>>10)
	}
	return fmt.Sprintf("%d B", size)
}
