package enclave_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libcape/libcape/core/attest"
	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

// patience is how long a test waits for what should come at once.
const patience = 60 * time.Second

func start(t testing.TB, o enclave.Options) *enclave.Enclave {
	t.Helper()
	if o.Scratch == "" {
		o.Scratch = t.TempDir()
	}
	e, err := enclave.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func echo(_ context.Context, input []byte) ([]byte, error) { return input, nil }

func echoEnclave(t testing.TB, faults ...enclave.Fault) *enclave.Enclave {
	t.Helper()
	return start(t, enclave.Options{
		Functions: []enclave.Function{{Name: "echo", Handler: echo}}, Faults: faults,
	})
}

// python returns options that serve a function with this source.
func python(t testing.TB, source string) enclave.Options {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "function")
	write(t, filepath.Join(folder, "app.py"), source)
	return enclave.Options{Functions: []enclave.Function{{Folder: folder}}, Python: interpreter(t)}
}

func interpreter(t testing.TB) string {
	t.Helper()
	if named := os.Getenv("CAPE_PYTHON"); named != "" {
		return named
	}
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs a python3 in PATH, or CAPE_PYTHON")
	}
	if path, err = filepath.Abs(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantEmpty waits until a folder has nothing in it.
func wantEmpty(t testing.TB, folder string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		left, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %v", left)
		}
	}
}

// client is one session, as a client has it.
type client struct {
	*transport.Conn
	t     testing.TB
	info  enclave.Info
	nonce []byte
	key   []byte
}

func dialError(info enclave.Info, route string, subprotocols ...string) (*transport.Conn, error) {
	address, err := url.Parse(info.URL + route)
	if err != nil {
		return nil, err
	}
	var roots *x509.CertPool
	if info.TLSCA != nil {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(info.TLSCA) {
			return nil, errors.New("the TLS authority is no PEM")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return transport.Dial(ctx, transport.DialOptions{
		URL: address, Subprotocols: subprotocols, TLSRoots: roots, ReadLimit: 100 << 20,
	})
}

// dial opens a session with the enclave's first function and sends the nonce.
func dial(t testing.TB, e *enclave.Enclave) *client {
	t.Helper()
	return dialAs(t, e.Info())
}

func dialAs(t testing.TB, info enclave.Info) *client {
	t.Helper()
	conn, err := dialError(info, "/v1/run/"+info.Functions[0].Name, "cape.runtime", "a-token")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &client{Conn: conn, t: t, info: info, nonce: make([]byte, 16)}
	_, _ = rand.Read(c.nonce)
	c.send(transport.Text, wire.EncodeStart(c.nonce))
	return c
}

// connect opens a session and takes the key out of its verified document.
func connect(t testing.TB, e *enclave.Enclave) *client {
	t.Helper()
	return connectAs(t, e.Info())
}

func connectAs(t testing.TB, info enclave.Info) *client {
	t.Helper()
	c := dialAs(t, info)
	raw, err := wire.DecodeAttestation(c.text())
	if err != nil {
		t.Fatal(err)
	}
	document, _, err := c.verify(raw, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	c.key = document.PublicKey
	return c
}

// verify holds a document against what the enclave says of itself.
func (c *client) verify(raw []byte, at time.Time) (*attest.Document, *attest.Report, error) {
	c.t.Helper()
	roots, err := attest.ParseRoots(c.info.AttestationRoot)
	if err != nil {
		c.t.Fatal(err)
	}
	checksum, err := hex.DecodeString(c.info.Functions[0].Checksum)
	if err != nil {
		c.t.Fatal(err)
	}
	policy := &attest.Policy{PCRs: map[int][][]byte{}, FunctionChecksum: checksum}
	for index, value := range c.info.PCRs {
		policy.PCRs[index] = [][]byte{value}
	}
	return attest.Verify(raw, attest.Options{
		Roots: roots, Time: at, Nonce: c.nonce, PublicKeyLength: hpke.KeySize, Policy: policy,
	})
}

func (c *client) send(kind transport.Kind, data []byte) {
	c.t.Helper()
	if err := c.Write(kind, data, time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
}

// receive returns the next message, and fails the test when none comes in time.
func (c *client) receive() (transport.Kind, []byte, error) {
	c.t.Helper()
	guard := time.AfterFunc(patience, func() { _ = c.Close() })
	defer guard.Stop()
	return c.Read()
}

func (c *client) text() []byte {
	c.t.Helper()
	kind, data, err := c.receive()
	if err != nil {
		c.t.Fatal(err)
	}
	if kind != transport.Text {
		c.t.Fatal("the enclave sent a binary message")
	}
	return data
}

// request sends an input, sealed.
func (c *client) request(input []byte) {
	c.t.Helper()
	sealed, err := hpke.Seal(c.key, input)
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(transport.Binary, sealed)
}

func (c *client) reply() (wire.Result, error) {
	c.t.Helper()
	return wire.DecodeResult(c.text())
}

// call invokes the function and returns its output.
func (c *client) call(input []byte) []byte {
	c.t.Helper()
	c.request(input)
	result, err := c.reply()
	if err != nil {
		c.t.Fatalf("the function failed: %v", err)
	}
	return result.Output
}

func (c *client) wantCall(input, output string) {
	c.t.Helper()
	if got := c.call([]byte(input)); string(got) != output {
		c.t.Fatalf("%q gave %.200q, want %q", input, got, output)
	}
}

// wantError invokes the function and wants an error reply with this in its text.
func (c *client) wantError(input, text string) {
	c.t.Helper()
	c.request([]byte(input))
	c.wantErrorReply(text)
}

func (c *client) wantErrorReply(text string) {
	c.t.Helper()
	result, err := c.reply()
	var said *wire.ServerError
	if !errors.As(err, &said) {
		c.t.Fatalf("got %v and %.200q, want an error with %q", err, result.Output, text)
	}
	if !strings.Contains(said.Text, text) {
		c.t.Fatalf("the error is %q, want one with %q", said.Text, text)
	}
}

// wantGone wants the connection to end, with this reason.
func (c *client) wantGone(reasons ...string) {
	c.t.Helper()
	_, data, err := c.receive()
	var lost *transport.Error
	if !errors.As(err, &lost) {
		c.t.Fatalf("got %v and %.200q, want the connection to end", err, data)
	}
	for _, reason := range reasons {
		if lost.Reason == reason {
			return
		}
	}
	c.t.Fatalf("the connection ended with %s (%v), want %v", lost.Reason, lost, reasons)
}

// logBuffer is a log that a test can look for lines in.
type logBuffer struct {
	mu      sync.Mutex
	content bytes.Buffer
	changed chan struct{}
}

func newLog() (*logBuffer, *slog.Logger) {
	b := &logBuffer{changed: make(chan struct{}, 1)}
	return b, slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.changed <- struct{}{}:
	default:
	}
	return b.content.Write(line)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.String()
}

// want waits until the log has this text.
func (b *logBuffer) want(t testing.TB, text string) {
	t.Helper()
	timeout := time.After(patience)
	for !strings.Contains(b.String(), text) {
		select {
		case <-b.changed:
		case <-timeout:
			t.Fatalf("the log never had %q; it has:\n%.4000s", text, b.String())
		}
	}
}
