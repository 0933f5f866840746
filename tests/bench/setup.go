package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// benchmark is the processes that take part.
type benchmark struct {
	settings  settings
	progress  io.Writer
	variables []string // the environment of children
	server    *process
	workers   map[string]*process // by language
	stops     []func() error
}

// Those who take part. Each is a process of its own, so that its CPU time is.
const (
	rawEcho  = "raw echo"
	inGo     = "Go"
	inC      = "C"
	inPython = "Python"
	inNode   = "Node"
	// inAsyncio is Python with many tasks in one thread, in place of many threads.
	inAsyncio = "Python asyncio"
	// toPython is C again, with a function in Python in place of one in Go.
	toPython = "C, function in Python"
)

// languages are those whose calls are measured, in the order of the table.
var languages = []string{inGo, inC, inPython, inNode}

// start launches all processes.
func start(s settings, progress io.Writer) (b *benchmark, err error) {
	b = &benchmark{settings: s, progress: progress, workers: map[string]*process{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.stop())
		}
	}()
	if err := b.environment(); err != nil {
		return b, err
	}
	self, err := os.Executable()
	if err != nil {
		return b, err
	}
	if b.server, err = b.launch("the server", nil, self, "-role", "server"); err != nil {
		return b, err
	}
	var t target
	if err := b.server.read(&t); err != nil {
		return b, err
	}
	t.Library = s.library
	return b, b.launchWorkers(t, self)
}

func (b *benchmark) launchWorkers(t target, self string) error {
	program, err := b.compile()
	if err != nil {
		return err
	}
	slow := t.Options
	slow.Function = pythonFunction
	for _, worker := range []struct {
		name    string
		first   any
		command []string
	}{
		{rawEcho, t, []string{self, "-role", "raw"}},
		{inGo, t, []string{self, "-role", "go"}},
		{inC, nil, []string{program, t.Options.json()}},
		{toPython, nil, []string{program, slow.json()}},
		{inPython, t, []string{b.settings.python, "tests/bench/workers/worker.py"}},
		{inNode, t, []string{b.settings.node, "tests/bench/workers/worker.mjs"}},
	} {
		if b.workers[worker.name], err = b.launch(worker.name, worker.first, worker.command...); err != nil {
			return err
		}
	}
	return nil
}

// environment is what children inherit. The library, Python and profiles are named there since
// some of them take no arguments of ours.
func (b *benchmark) environment() error {
	python, err := exec.LookPath(b.settings.python)
	if err == nil {
		python, err = filepath.Abs(python)
	}
	if err != nil {
		return fmt.Errorf("no Python with pycape: %w: run make bindings", err)
	}
	if _, err := os.Stat(b.settings.library); err != nil {
		return fmt.Errorf("no library: %w: run make build", err)
	}
	b.variables = append(os.Environ(), "CAPE_LIBRARY="+b.settings.library, pythonVariable+"="+python,
		profilesVariable+"="+b.settings.profiles)
	return nil
}

func (b *benchmark) launch(name string, first any, command ...string) (*process, error) {
	p, err := launch(name, b.variables, first, command...)
	if err == nil {
		b.stops = append(b.stops, p.stop)
	}
	return p, err
}

// compile builds the worker in C, as a program would be that links to the library.
func (b *benchmark) compile() (string, error) {
	if strings.TrimSpace(b.settings.cc) == "" {
		return "", errors.New("no C compiler is named")
	}
	folder, err := os.MkdirTemp("", "cape-bench-")
	if err != nil {
		return "", err
	}
	b.stops = append(b.stops, func() error { return os.RemoveAll(folder) })
	program := filepath.Join(folder, "worker")
	command := append(strings.Fields(b.settings.cc), "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-Iinclude",
		"-o", program, "tests/bench/workers/worker.c", b.settings.library, "-Wl,-rpath,"+filepath.Dir(b.settings.library))
	output, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("the worker in C cannot be compiled: %w: %s", err, output)
	}
	return program, nil
}

// stop ends all processes, the server last.
func (b *benchmark) stop() error {
	var failures []error
	for i := len(b.stops) - 1; i >= 0; i-- {
		failures = append(failures, b.stops[i]())
	}
	return errors.Join(failures...)
}

func (o options) json() string {
	encoded, err := json.Marshal(o)
	if err != nil {
		panic(err) // text and maps of text cannot fail
	}
	return string(encoded)
}
