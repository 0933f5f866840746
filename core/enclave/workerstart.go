package enclave

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/libcape/libcape/core/enclave/sandbox"
)

// start starts a worker with as many namespaces as the kernel grants.
func (p *workers) start(ctx context.Context) (*sandboxed, error) {
	e := p.enclave
	folder, err := os.MkdirTemp(e.scratch, "worker-*")
	if err != nil {
		return nil, err
	}
	// What a function shares with the enclave is beside its working directory, not in it. Where
	// there is a private root, it has folders of the same names in there.
	home := filepath.Join(folder, "home")
	for _, name := range []string{filepath.Join(folder, "function"), home} {
		if err == nil {
			err = os.Mkdir(name, 0o700)
		}
	}
	var socket *rpc
	if err == nil {
		socket, err = e.listenRPC(folder)
	}
	var w *worker
	for err == nil {
		p.mu.Lock()
		p.number++
		grant, number, certain := p.grant, p.number, p.certain
		p.mu.Unlock()
		if !certain && sandbox.Namespaces {
			err = grant.Refused()
		}
		if err == nil {
			if w, err = p.startWith(ctx, folder, home, grant, number); err == nil {
				break
			}
		}
		p.mu.Lock()
		less, ok := grant.Less(err)
		if ok && !p.certain {
			p.grant, err = max(p.grant, less), nil
		}
		p.mu.Unlock()
	}
	if err != nil {
		if socket != nil {
			socket.close()
		}
		_ = e.remove(folder)
		return nil, err
	}
	s := &sandboxed{worker: w, enclave: e, folder: folder, rpc: socket}
	if err := p.judge(s); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (p *workers) startWith(ctx context.Context, folder, home string, grant sandbox.Grant, number uint32) (*worker, error) {
	e := p.enclave
	if e.options.withholds("namespaces") || !sandbox.Namespaces {
		grant = sandbox.None
	}
	attributes, user := sandbox.Attributes(grant, number)
	settings := sandbox.Settings{
		Folder: folder, Output: e.maxPlain(), Limits: e.options.Limits, Grant: grant, User: user,
		Withheld: e.options.withheld,
	}
	return startWorker(ctx, e.spawner, command{
		path:      e.python.path,
		arguments: append([]string{e.python.path, "-c", p.source, workerSource}, settings.Arguments()...),
		folder:    home,
		env:       e.python.environment(home),
		limit:     e.maxPlain(),
		limits:    e.options.Limits,
		system:    attributes,
		contained: grant != sandbox.None,
	})
}

func (o Options) withholds(layer string) bool {
	return slices.Contains(o.withheld, layer)
}

// limitText is what a caller is told whose function used too much.
func (c command) limitText(which string) string {
	switch which {
	case "cpu":
		return fmt.Sprintf("the function used more than %v of processor time for one call", c.limits.CPU)
	case "time":
		return fmt.Sprintf("the function took longer than %v for one call", c.limits.Time)
	case "processes":
		return fmt.Sprintf("the function had more than %d processes", c.limits.Processes)
	case "memory":
		return fmt.Sprintf("the function used more than %s of memory", sizeText(c.limits.Memory))
	}
	return "the function used too much"
}
