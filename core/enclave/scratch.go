package enclave

import (
	"os"
	"path/filepath"
)

// scratchPrefix begins the name of the folder in which an enclave keeps its copies of functions.
const scratchPrefix = "libcape-enclave-"

// makeScratch makes that folder, and removes those of enclaves whose process ended without
// closing them.
func (e *Enclave) makeScratch() error {
	parent := e.options.Scratch
	if parent == "" {
		parent = os.TempDir()
	}
	leftovers, _ := filepath.Glob(filepath.Join(parent, scratchPrefix+"*"))
	for _, folder := range leftovers {
		if !abandoned(folder) {
			continue
		}
		if err := remove(folder); err != nil {
			e.options.Log.Warn("what an earlier enclave left behind cannot be removed", "folder", folder, "error", err)
		}
	}
	scratch, err := os.MkdirTemp(parent, scratchPrefix+"*")
	if err != nil {
		return fail("argument.options", err, "no folder for private copies of functions can be made: %v", err)
	}
	e.scratch = scratch
	if e.claim, err = claim(scratch); err != nil {
		return fail("argument.options", err, "the folder for private copies of functions cannot be used: %v", err)
	}
	return nil
}

// removeScratch undoes makeScratch.
func (e *Enclave) removeScratch() error {
	if e.scratch == "" {
		return nil
	}
	err := e.remove(e.scratch)
	if e.claim != nil {
		_ = e.claim.Close()
	}
	return err
}
