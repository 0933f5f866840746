package enclave

import (
	"context"
	_ "embed" // the worker's source
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// workerSource is the program that an interpreter runs to serve a function.
//
//go:embed worker.py
var workerSource string

// interpreter is a Python that was tried out.
type interpreter struct {
	path     string // as Python itself names it: a wrapper is followed, a link into a virtual environment is not
	userBase string // where the user's own packages are; empty: it has none
}

const (
	probeTimeout = 30 * time.Second
	searchPath   = "/usr/local/bin:/usr/bin:/bin"
	// probeSource works in any Python, so that an old one can be told so.
	probeSource = `import sys, site
lines = ["cape", "%d.%d" % sys.version_info[:2], sys.executable or ""]
lines.append(site.getuserbase() if site.ENABLE_USER_SITE else "")
sys.stdout.write("\n".join(lines) + "\n.")`
)

// probe runs the interpreter once, in the environment that functions get.
func probe(ctx context.Context, path string) (*interpreter, error) {
	if path == "" {
		return nil, fail("argument.python", nil, "functions in folders need a Python: give the path of an interpreter")
	}
	if !filepath.IsAbs(path) {
		return nil, fail("argument.python", nil, "%q is no absolute path: give the whole path of the interpreter", path)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, path, "-c", probeSource)
	command.Env = environment(path)
	command.Dir = filepath.Dir(path)
	command.WaitDelay = time.Second
	// A host that ignores SIGCHLD makes waiting fail, so the answer counts, not the error.
	output, err := command.Output()
	lines := strings.Split(string(output), "\n")
	if len(lines) != 5 || lines[0] != "cape" || lines[4] != "." {
		return nil, fail("argument.python", err, "%s does not run as a Python interpreter: %s", path, probeFailure(ctx, err))
	}
	var major, minor int
	if _, err := fmt.Sscanf(lines[1], "%d.%d", &major, &minor); err != nil || major != 3 || minor < 8 {
		return nil, fail("argument.python", nil, "%s is Python %s: functions need 3.8 or later", path, lines[1])
	}
	python := &interpreter{path: lines[2], userBase: lines[3]}
	if !filepath.IsAbs(python.path) {
		python.path = path
	}
	return python, nil
}

func probeFailure(ctx context.Context, err error) string {
	switch {
	case ctx.Err() != nil:
		return "it did not answer in time"
	case err != nil:
		return err.Error()
	}
	return "it gave no answer"
}

// environment is all that a function sees of the world's variables, beside what depends on its
// copy: nothing of the host's.
//
// Libraries for linear algebra, such as numpy's, start a thread for each processor and take some 40
// MB for each: on a large machine more than a function may have, so that they could not be imported.
func environment(path string) []string {
	return []string{
		"PATH=" + filepath.Dir(path) + ":" + searchPath,
		"LANG=C.UTF-8",
		"PYTHONDONTWRITEBYTECODE=1",
		"PYTHONUNBUFFERED=1",
		"OPENBLAS_NUM_THREADS=4",
		"OMP_NUM_THREADS=4",
		"MKL_NUM_THREADS=4",
	}
}

// environment of a function whose files outside its folder go to home.
func (p *interpreter) environment(home string) []string {
	variables := append(environment(p.path), "HOME="+home, "TMPDIR="+home)
	if p.userBase != "" {
		variables = append(variables, "PYTHONUSERBASE="+p.userBase)
	}
	return variables
}
