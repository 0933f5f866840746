package capelib

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

// serve runs handle for each websocket on a fresh server of the test's own, and returns its
// address.
func serve(t *testing.T, handle func(*transport.Conn)) *url.URL {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := transport.Accept(w, r, transport.AcceptOptions{Subprotocol: "cape.runtime", ReadLimit: 1 << 20})
		if err != nil {
			return
		}
		defer conn.Close()
		handle(conn)
	})}
	transport.Spawn(func() { _ = server.Serve(transport.QuietListener(listener)) }, nil)
	t.Cleanup(func() { _ = server.Close() })
	return &url.URL{Scheme: "ws", Host: listener.Addr().String()}
}

// open is a Conn to such a server, as Connect would leave it after attestation.
func open(t *testing.T, address *url.URL, change func(*session)) *Conn {
	t.Helper()
	socket, err := transport.Dial(context.Background(), transport.DialOptions{
		URL: address, Subprotocols: []string{"cape.runtime"}, ReadLimit: maxReply,
	})
	if err != nil {
		t.Fatal(err)
	}
	key, err := hpke.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	s := &session{socket: socket, publicKey: key.PublicKey(), host: address.Host, timeout: 10 * time.Second, pingEvery: pingEvery}
	change(s)
	c := newConn(Options{}, &target{endpoint: address, timeout: s.timeout}, s.start(), &Report{})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestASilentPeerIsNoticed(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	address := serve(t, func(*transport.Conn) { <-release }) // reads nothing, so answers no ping
	defer close(release)
	c := open(t, address, func(s *session) { s.pingEvery = 20 * time.Millisecond })
	_, err := c.Invoke(context.Background(), []byte("x"))
	failure := AsError(err)
	if failure == nil || failure.Reason != "closed.outcome_unknown" || AsError(failure.Unwrap()).Reason != "closed.silent" {
		t.Errorf("the call ended with %v", err)
	}
}

func TestAPeerThatAnswersPingsIsWaitedFor(t *testing.T) {
	t.Parallel()
	address := serve(t, func(peer *transport.Conn) {
		_, _, _ = peer.Read()
		transport.Spawn(func() {
			time.Sleep(1500 * time.Millisecond) // as many pings as a silent peer is given, twice over
			_ = peer.Write(transport.Text, wire.EncodeResult(wire.Result{Output: []byte("done")}), time.Now().Add(time.Second))
		}, nil)
		_, _, _ = peer.Read()
	})
	c := open(t, address, func(s *session) { s.pingEvery = 250 * time.Millisecond })
	if output, err := c.Invoke(context.Background(), []byte("x")); err != nil || string(output) != "done" {
		t.Errorf("%q, %v", output, err)
	}
}

func TestCloseSaysGoodbye(t *testing.T) {
	t.Parallel()
	heard := make(chan error, 1)
	address := serve(t, func(peer *transport.Conn) {
		_, _, err := peer.Read()
		heard <- err
	})
	_ = open(t, address, func(*session) {}).Close()
	var end *transport.Error
	if err := <-heard; !errors.As(err, &end) || end.Reason != "closed.peer" {
		t.Errorf("the peer saw %v, not a close frame", err)
	}
}

func TestAPeerCannotPutTheTokenIntoAFunctionsError(t *testing.T) {
	t.Parallel()
	const token = "a-very-secret-token"
	for said, want := range map[string]string{
		"no: " + token: "no: [token]",
		"":             "the function failed without saying why: look in the enclave's log",
	} {
		address := serve(t, func(peer *transport.Conn) {
			_, _, _ = peer.Read()
			_ = peer.Write(transport.Text, wire.EncodeError(said), time.Now().Add(time.Second))
			_, _, _ = peer.Read()
		})
		c := open(t, address, func(s *session) { s.secret = token })
		if _, err := c.Invoke(context.Background(), nil); err == nil || err.Error() != want {
			t.Errorf("%q is told as %v", said, err)
		}
	}
}

func TestAPeerThatHangsUpIsHeardButForTheToken(t *testing.T) {
	t.Parallel()
	const token = "a-very-secret-token"
	address := serve(t, func(peer *transport.Conn) {
		_, _, _ = peer.Read()
		peer.CloseWith(1008, "no room for "+token)
	})
	c := open(t, address, func(s *session) { s.secret = token })
	if _, err := c.Invoke(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "(websocket code 1008: no room for [token])") {
		t.Errorf("it is told as %v", err)
	}
	for _, record := range Log(0) {
		if strings.Contains(record.Message, token) {
			t.Errorf("the log has the token: %s", record.Message)
		}
	}
}

func TestEachConnectionHasANonceOfItsOwn(t *testing.T) {
	t.Parallel()
	nonces := make(chan []byte, 2)
	address := serve(t, func(peer *transport.Conn) {
		_, frame, _ := peer.Read()
		nonce, _ := wire.DecodeStart(frame)
		nonces <- nonce
		_ = peer.Write(transport.Text, wire.EncodeError("no"), time.Now().Add(time.Second))
	})
	for range cap(nonces) {
		_, err := Connect(context.Background(), Options{URL: address.String(), Function: "a/b", Policy: &Policy{Any: true}})
		if AsError(err) == nil || AsError(err).Reason != "connect.enclave_error" {
			t.Fatal(err)
		}
	}
	first, second := <-nonces, <-nonces
	if len(first) < 16 || len(second) < 16 || string(first) == string(second) || string(first) == string(make([]byte, len(first))) {
		t.Errorf("the nonces are %x and %x", first, second)
	}
}

func TestEachConnectionHasAKeyOfItsOwn(t *testing.T) {
	t.Parallel()
	server, err := enclave.Start(enclave.Options{Functions: []enclave.Function{{
		Name: "echo", Handler: func(_ context.Context, input []byte) ([]byte, error) { return input, nil },
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	keys := make(map[string]bool)
	for range 3 {
		c, err := Connect(context.Background(), Options{
			URL: server.Info().URL, Function: "local/echo", AttestationRoots: server.Info().AttestationRoot, Policy: &Policy{Any: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		keys[string(c.session.publicKey)] = true
	}
	if len(keys) != 3 {
		t.Errorf("%d keys of 3 connections", len(keys))
	}
}
