// Package soak puts the C library under load for a while. `make test` runs it for some seconds;
// `make soak` sets CAPE_SOAK, and it takes minutes.
package soak

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
	"github.com/libcape/libcape/tests/abi/built"
)

// long chooses between what `make test` and what `make soak` does.
func long[T any](test, soak T) T {
	if os.Getenv("CAPE_SOAK") != "" {
		return soak
	}
	return test
}

// program compiles a C program of the folder load with the library.
func program(t *testing.T, source string) string {
	t.Helper()
	library, folder := built.Library(t), t.TempDir()
	for _, name := range []string{"libcape.so", "libcape.so.1"} {
		if err := os.Symlink(library, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(folder, "program")
	output, err := exec.Command("cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-I"+built.Path("include"), "-o", path,
		built.Path("tests", "soak", "load", source), "-L"+folder, "-lcape", "-Wl,-rpath,"+folder, "-pthread").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return path
}

func run(t *testing.T, path string, arguments ...string) {
	t.Helper()
	output, err := exec.Command(path, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	t.Logf("%s", output)
}

// echoes starts an enclave whose function needs no interpreter.
func echoes(t *testing.T) enclave.Info {
	t.Helper()
	server, err := enclave.Start(enclave.Options{Functions: []enclave.Function{{
		Name: "echo", Handler: func(_ context.Context, input []byte) ([]byte, error) { return input, nil },
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server.Info()
}

func options(t *testing.T, address string, root []byte) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"url": address, "function": "local/echo", "attestation_roots": string(root), "policy": "any",
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestThreadsOpenUseAndCloseWithNoWrongAnswerAndNoLeak(t *testing.T) {
	info := echoes(t)
	run(t, program(t, "threads.c"), options(t, info.URL, info.AttestationRoot), long("5", "60"))
}

// recorder stands in front of an enclave: it passes the attestation on, keeps the encapsulated key
// and the rest of each sealed request, and answers it itself.
type recorder struct {
	mu                sync.Mutex
	keys, ciphertexts map[string]struct{}
	requests          int
}

func (r *recorder) note(request []byte) {
	const keySize, digestSize = 32, 16 // the tag at the end stands for the whole ciphertext
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	r.keys[string(request[:keySize])] = struct{}{}
	r.ciphertexts[string(request[keySize:keySize+64])+string(request[len(request)-digestSize:])] = struct{}{}
}

func (r *recorder) handle(w http.ResponseWriter, request *http.Request, target string) {
	client, err := transport.Accept(w, request, transport.AcceptOptions{Subprotocol: "cape.runtime", ReadLimit: 1 << 20})
	if err != nil {
		return
	}
	defer client.Close()
	address, err := url.Parse(target + request.URL.Path)
	if err != nil {
		return
	}
	server, err := transport.Dial(context.Background(), transport.DialOptions{URL: address, Subprotocols: []string{"cape.runtime"}, ReadLimit: 1 << 20})
	if err != nil {
		return
	}
	defer server.Close()
	_, nonce, err := client.Read()
	if err != nil || server.Write(transport.Text, nonce, time.Time{}) != nil {
		return
	}
	_, document, err := server.Read()
	if err != nil || client.Write(transport.Text, document, time.Time{}) != nil {
		return
	}
	reply := wire.EncodeResult(wire.Result{})
	for {
		kind, sealed, err := client.Read()
		if err != nil {
			return
		}
		if kind == transport.Binary {
			r.note(sealed)
		}
		if client.Write(transport.Text, reply, time.Time{}) != nil {
			return
		}
	}
}

func TestNoTwoSealsShareAnEncapsulatedKeyOrACiphertext(t *testing.T) {
	count := long(20_000, 1_000_000)
	info := echoes(t)
	seen := recorder{keys: make(map[string]struct{}, count), ciphertexts: make(map[string]struct{}, count)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen.handle(w, r, info.URL) })}
	go func() { _ = front.Serve(listener) }()
	defer front.Close()
	address := "ws://" + listener.Addr().String()
	run(t, program(t, "seals.c"), options(t, address, info.AttestationRoot), long("20000", "1000000"))
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if seen.requests != count || len(seen.keys) != count || len(seen.ciphertexts) != count {
		t.Errorf("%d requests with %d keys and %d ciphertexts", seen.requests, len(seen.keys), len(seen.ciphertexts))
	}
}
