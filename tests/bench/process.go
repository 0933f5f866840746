package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"syscall"
	"time"
)

// patience is how long any one answer of a child may take.
const patience = time.Minute

// process is a child that answers each line with a line.
type process struct {
	name    string
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
}

// launch starts a child. first, if it is not nil, is sent to it as a line of JSON.
func launch(name string, variables []string, first any, command ...string) (*process, error) {
	p := &process{name: name, command: exec.Command(command[0], command[1:]...)}
	p.command.Env, p.command.Stderr = variables, os.Stderr
	var err error
	if p.input, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.output = bufio.NewReader(output)
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("%s cannot be started: %w", name, err)
	}
	if first == nil {
		return p, nil
	}
	line, err := json.Marshal(first)
	if err == nil {
		_, err = p.input.Write(append(line, '\n'))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), p.stop())
	}
	return p, nil
}

// read takes one line of JSON from the child.
func (p *process) read(into any) error {
	late := time.AfterFunc(patience, func() { _ = p.command.Process.Kill() })
	line, err := p.output.ReadBytes('\n')
	if !late.Stop() {
		return fmt.Errorf("%s gave no answer for %v, and was ended", p.name, patience)
	}
	if err != nil {
		return fmt.Errorf("%s ended: %w", p.name, err)
	}
	if err := json.Unmarshal(line, into); err != nil {
		return fmt.Errorf("%s said %q: %w", p.name, line, err)
	}
	return nil
}

func (p *process) ask(question string, into any) error {
	if _, err := io.WriteString(p.input, question+"\n"); err != nil {
		return fmt.Errorf("%s ended: %w", p.name, err)
	}
	return p.read(into)
}

// stop ends the child, which does so by itself when its input ends.
func (p *process) stop() error {
	_ = p.input.Close()
	late := time.AfterFunc(patience, func() { _ = p.command.Process.Kill() })
	defer late.Stop()
	if err := p.command.Wait(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// cpuTime is what this process has used so far, in user mode and in the kernel.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err) // it has no reason to fail
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// profilesVariable tells a child where CPU profiles go.
const profilesVariable = "CAPE_BENCH_PROFILES"

// profile writes a CPU profile of this process, if that is asked for, until stop is called.
func profile(role string) (stop func(), err error) {
	folder := os.Getenv(profilesVariable)
	if folder == "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	file, err := os.Create(filepath.Join(folder, role+".pprof"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = file.Close()
	}, nil
}
