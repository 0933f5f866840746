// Command bench measures what a call through libcape costs, in each language, beside a websocket
// that only echoes. It is what 'make bench' runs, from the top of the project, after building:
//
//	bench -seconds 75 -sizes 64,65536,1048576,16777216 -json build/bench.json
//
// The enclave and the raw echo live in one process, each language in another, all of them on
// loopback over TLS 1.3. Small batches alternate, since the speed of a machine wanders: a ratio
// is the median over rounds of what was measured within a moment. Nothing is asserted; a target
// that is missed says so in the table.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// settings are what the command line says.
type settings struct {
	duration time.Duration
	sizes    []int
	minimum  int    // rounds, however little time there is
	output   string // where the JSON goes; empty: nowhere
	profiles string // folder for CPU profiles of the Go processes; empty: none
	library  string
	python   string
	node     string
	cc       string
}

func main() {
	var err error
	if len(os.Args) == 3 && os.Args[1] == "-role" {
		err = play(os.Args[2])
	} else {
		err = run(os.Args[1:], os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// play is what a child of this program does: it serves, or measures in Go.
func play(role string) error {
	stop, err := profile(role)
	if err != nil {
		return err
	}
	defer stop()
	switch role {
	case "server":
		return serve(os.Stdin, os.Stdout)
	case "raw":
		return work(os.Stdin, os.Stdout, newRaw)
	case "go":
		return work(os.Stdin, os.Stdout, newCaller)
	}
	return fmt.Errorf("there is no role %q", role)
}

func parse(arguments []string, progress io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(progress)
	seconds := flags.Float64("seconds", 75, "how long to measure, about")
	sizes := flags.String("sizes", "64,65536,1048576,16777216", "bytes of an input, each measured by itself")
	flags.IntVar(&s.minimum, "rounds", 3, "rounds of each size, at the least")
	flags.StringVar(&s.output, "json", "", "write the results to this file too")
	flags.StringVar(&s.profiles, "profiles", "", "write CPU profiles of the server and of the Go client to this folder")
	flags.StringVar(&s.library, "library", "build/libcape.so", "the library that C, Python and Node load")
	flags.StringVar(&s.python, "python", "build/venv/bin/python", "a Python that has pycape")
	flags.StringVar(&s.node, "node", "node", "the Node to run")
	flags.StringVar(&s.cc, "cc", "cc", "the C compiler")
	if err := flags.Parse(arguments); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("%q is no option", flags.Arg(0))
	}
	s.duration = time.Duration(*seconds * float64(time.Second))
	for text := range strings.SplitSeq(*sizes, ",") {
		size, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || size < 1 || size > 64<<20 {
			return s, fmt.Errorf("%q is no size: give numbers of bytes up to 64 MiB, with commas between", text)
		}
		s.sizes = append(s.sizes, size)
	}
	if s.minimum < 1 {
		return s, fmt.Errorf("%d rounds: at least one is needed", s.minimum)
	}
	var err error
	s.library, err = filepath.Abs(s.library)
	return s, err
}

// run measures all, and writes the table to output and what it is doing to progress.
func run(arguments []string, output, progress io.Writer) (err error) {
	s, err := parse(arguments, progress)
	if err != nil {
		return err
	}
	b, err := start(s, progress)
	if err != nil {
		return err
	}
	defer func() {
		if stopped := b.stop(); err == nil {
			err = stopped
		}
	}()
	results, err := b.measure()
	if err != nil {
		return err
	}
	results.print(output)
	if s.output == "" {
		return nil
	}
	encoded, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(s.output, append(encoded, '\n'), 0o644)
}
