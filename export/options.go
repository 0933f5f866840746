package main

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/enclave"
)

// enclaveOptions are the options of cape_enclave_start; cape.h documents each.
type enclaveOptions struct {
	Functions     []string `json:"functions"`
	Python        string   `json:"python"`
	Listen        string   `json:"listen"`
	TLS           bool     `json:"tls"`
	Log           string   `json:"log"`
	Faults        []string `json:"faults"`
	IdleTimeoutMS uint32   `json:"idle_timeout_ms"`
}

// loggedEnclave is a local enclave and the file that its log goes to, if any.
type loggedEnclave struct {
	*enclave.Enclave
	log *os.File
}

// Close ends the enclave and its log.
func (e *loggedEnclave) Close() error {
	err := e.Enclave.Close()
	_ = e.log.Close() // of no file: an error and nothing else
	return err
}

// startEnclave starts a local enclave by its options in JSON.
func startEnclave(options []byte) (*loggedEnclave, error) {
	var parsed enclaveOptions
	if err := capelib.DecodeJSON(options, &parsed); err != nil {
		return nil, err
	}
	faults, err := parseFaults(parsed.Faults)
	if err != nil {
		return nil, err
	}
	python := ""
	if parsed.Python != "" || len(parsed.Functions) > 0 {
		if python, err = findPython(parsed.Python); err != nil {
			return nil, err
		}
	}
	file, log, err := openLog(parsed.Log)
	if err != nil {
		return nil, err
	}
	functions := make([]enclave.Function, len(parsed.Functions))
	for i, folder := range parsed.Functions {
		functions[i].Folder = folder
	}
	started, err := enclave.Start(enclave.Options{
		Listen: parsed.Listen, TLS: parsed.TLS, Functions: functions, Python: python, Faults: faults,
		Log: log, IdleTimeout: time.Duration(parsed.IdleTimeoutMS) * time.Millisecond,
	})
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &loggedEnclave{started, file}, nil
}

// findPython gives the absolute path of an interpreter: a name without a slash is looked up in
// PATH, which is this side's to read, since the core never reads the environment.
func findPython(python string) (string, error) {
	if python == "" {
		python = "python3"
	}
	if !strings.ContainsRune(python, filepath.Separator) {
		found, err := exec.LookPath(python)
		if err != nil {
			return "", capelib.NewError("argument.python", "no "+python+" is in PATH: install it, or give its path as \"python\"")
		}
		python = found
	}
	absolute, err := filepath.Abs(python)
	if err != nil {
		return "", capelib.NewError("argument.python", "the path of \"python\" cannot be completed: give an absolute one")
	}
	return absolute, nil
}

// openLog opens a file to append a log to. Without a path there is neither: the library never
// writes to standard error. Only a regular file will do: opening or writing to others, such as a
// FIFO, can wait for ever.
func openLog(path string) (*os.File, *slog.Logger, error) {
	if path == "" {
		return nil, nil, nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, nil, capelib.NewError("argument.options", "the log cannot be opened ("+err.Error()+"): give the path of a file that can be written")
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = file.Close()
		return nil, nil, capelib.NewError("argument.options", "the log "+path+" is no regular file: give the path of one, or of none yet")
	}
	return file, slog.New(slog.NewTextHandler(file, nil)), nil
}
