package enclave

import (
	"encoding/hex"
	"errors"
)

// prepare does all that comes before listening. What takes time is done side by side.
func (e *Enclave) prepare() error {
	folders := e.options.Service != nil // which runs functions that come later
	for _, f := range e.options.Functions {
		folders = folders || f.Folder != ""
	}
	if folders && !workersSupported {
		return fail("argument.functions", nil, "functions in folders need a Unix system: serve handlers in Go here")
	}
	e.results = makeResultSigner()
	measured := ahead(measure)
	made := ahead(func() (*securityModule, error) {
		module, err := newSecurityModule(e.options.Now)
		if err == nil {
			_, err = module.identity()
		}
		return module, err
	})
	probed := ahead(func() (*interpreter, error) {
		if !folders {
			return nil, nil
		}
		return probe(e.ctx, e.options.Python)
	})
	// All three are taken before anything is judged, so that none is left running.
	pcrs, measureErr := measured()
	module, moduleErr := made()
	python, pythonErr := probed()
	if err := errors.Join(measureErr, moduleErr); err != nil {
		return err
	}
	if pythonErr != nil {
		return pythonErr
	}
	e.pcrs, e.module, e.python = pcrs, module, python
	e.info.AttestationRoot = module.root.pem()
	e.info.PCRs = map[int][]byte{0: pcrs[0], 1: pcrs[1], 2: pcrs[2]}
	if folders {
		if err := e.makeScratch(); err != nil {
			return err
		}
		e.spawner = newSpawner()
		e.archives = &archives{folder: e.scratch, linger: archiveLinger, opened: map[string]*archive{}}
		e.workers = newWorkers(e)
		e.workers.begin()
	}
	if err := e.addFunctions(); err != nil || !folders || !e.options.RequireSandbox {
		return err
	}
	return e.workers.ready()
}

func (e *Enclave) addFunctions() error {
	for _, f := range e.options.Functions {
		made, err := newFunction(f, e.scratch, e.pcrs[0])
		if err != nil {
			return err
		}
		if e.find(made.name) != nil {
			return fail("argument.functions", nil, "two functions are named %s: rename a folder", made.name)
		}
		e.functions = append(e.functions, made)
		e.info.Functions = append(e.info.Functions, FunctionInfo{
			ID: made.id, Name: made.name, Checksum: hex.EncodeToString(made.checksum[:]),
		})
	}
	return nil
}
