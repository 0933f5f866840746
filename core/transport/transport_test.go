package transport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const limit = 1 << 20

// serve runs handle for each websocket on a fresh server, and returns the server's address.
func serve(t *testing.T, handle func(*Conn)) *url.URL {
	t.Helper()
	return serveHTTP(t, nil, func(w http.ResponseWriter, r *http.Request) {
		offered := Subprotocols(r)
		conn, err := Accept(w, r, AcceptOptions{Subprotocol: offered[0], ReadLimit: limit})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		handle(conn)
	})
}

func serveHTTP(t *testing.T, config *tls.Config, handle http.HandlerFunc) *url.URL {
	t.Helper()
	listener := listen(t)
	address := &url.URL{Scheme: "ws", Host: listener.Addr().String(), Path: "/v1/run/a"}
	listener = QuietListener(listener)
	if config != nil {
		listener = tls.NewListener(listener, config)
		address.Scheme = "wss"
	}
	server := &http.Server{Handler: handle, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	Spawn(func() { defer close(done); _ = server.Serve(listener) }, nil)
	t.Cleanup(func() { _ = server.Close(); <-done })
	return address
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// answerRaw accepts one connection, reads a request's header, and answers with what reply gives.
func answerRaw(t *testing.T, reply func(key string) string) *url.URL {
	t.Helper()
	listener := listen(t)
	Spawn(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		request, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, reply(request.Header.Get("Sec-WebSocket-Key")))
		_, _ = io.Copy(io.Discard, conn)
	}, nil)
	return &url.URL{Scheme: "ws", Host: listener.Addr().String()}
}

func acceptHeader(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455 section 1.3
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
}

func dial(t *testing.T, o DialOptions) (*Conn, error) {
	t.Helper()
	if o.ReadLimit == 0 {
		o.ReadLimit = limit
	}
	if o.Subprotocols == nil {
		o.Subprotocols = []string{"cape.runtime"}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := Dial(ctx, o)
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

func mustDial(t *testing.T, address *url.URL) *Conn {
	t.Helper()
	conn, err := dial(t, DialOptions{URL: address})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func wantReason(t *testing.T, err error, reason string) {
	t.Helper()
	var failure *Error
	if !errors.As(err, &failure) || failure.Reason != reason {
		t.Errorf("got %v, want %s", err, reason)
		return
	}
	if strings.ContainsAny(failure.Text, "\n\r") || failure.Text == "" || strings.HasSuffix(failure.Text, ".") {
		t.Errorf("%s has an error text of another form: %q", reason, failure.Text)
	}
}

func echo(conn *Conn) {
	for {
		kind, data, err := conn.Read()
		if err != nil {
			return
		}
		if conn.Write(kind, data, time.Time{}) != nil {
			return
		}
	}
}

func TestMessagesComeBackWhole(t *testing.T) {
	t.Parallel()
	conn := mustDial(t, serve(t, echo))
	for _, kind := range []Kind{Text, Binary} {
		for _, size := range []int{0, 1, bufferSize, limit} {
			sent := bytes.Repeat([]byte{'x'}, size)
			if err := conn.Write(kind, sent, time.Now().Add(10*time.Second)); err != nil {
				t.Fatal(err)
			}
			got, data, err := conn.Read()
			if err != nil || got != kind || !bytes.Equal(data, sent) {
				t.Fatalf("%d bytes of kind %d: kind %d, %d bytes, %v", size, kind, got, len(data), err)
			}
		}
	}
}

func TestReadLeavesNoPartOfAMessageInABufferThatIsTooSmall(t *testing.T) {
	t.Parallel()
	conn := mustDial(t, serve(t, func(c *Conn) { _ = c.Write(Text, bytes.Repeat([]byte{'x'}, 1000), time.Time{}); _, _, _ = c.Read() }))
	buffer := make([]byte, 100)
	if _, data, err := conn.ReadInto(buffer); err != nil || len(data) != 1000 {
		t.Fatal(len(data), err)
	}
	if !bytes.Equal(buffer, make([]byte, len(buffer))) {
		t.Errorf("it holds %q", buffer)
	}
}

func TestTokenIsOfferedAndNotEchoed(t *testing.T) {
	t.Parallel()
	offered := make(chan []string, 1)
	address := serveHTTP(t, nil, func(w http.ResponseWriter, r *http.Request) {
		offered <- Subprotocols(r)
		if conn, err := Accept(w, r, AcceptOptions{Subprotocol: "cape.function", ReadLimit: limit}); err == nil {
			defer conn.Close()
			_, _, _ = conn.Read()
		}
	})
	if _, err := dial(t, DialOptions{URL: address, Subprotocols: []string{"cape.function", "secret"}}); err != nil {
		t.Fatal(err)
	}
	if got := <-offered; !slices.Equal(got, []string{"cape.function", "secret"}) {
		t.Errorf("offered %q", got)
	}
}

func TestSubprotocolsJoinsHeaderLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ lines, want []string }{
		{[]string{"cape.runtime, token"}, []string{"cape.runtime", "token"}},
		{[]string{"cape.runtime,token"}, []string{"cape.runtime", "token"}},
		{[]string{"cape.runtime", "token"}, []string{"cape.runtime", "token"}},
		{[]string{"cape.runtime", ""}, []string{"cape.runtime", ""}},
		{nil, nil},
	} {
		r := &http.Request{Header: http.Header{"Sec-Websocket-Protocol": c.lines}}
		if got := Subprotocols(r); !slices.Equal(got, c.want) {
			t.Errorf("%q gives %q", c.lines, got)
		}
	}
}

func TestReadRefusesAMessageOverTheLimit(t *testing.T) {
	t.Parallel()
	conn := mustDial(t, serve(t, func(c *Conn) {
		_ = c.Write(Binary, make([]byte, limit+1), time.Time{})
		_, _, _ = c.Read()
	}))
	_, _, err := conn.Read()
	wantReason(t, err, "limit.message")
}

func TestReadToldOfAnOrderlyEnd(t *testing.T) {
	t.Parallel()
	conn := mustDial(t, serve(t, func(c *Conn) { c.CloseWith(1000, "idle") }))
	_, _, err := conn.Read()
	wantReason(t, err, "closed.peer")
	if !strings.Contains(err.Error(), "1000: idle") {
		t.Errorf("it does not say why: %v", err)
	}
}

func TestReadToldOfALostConnection(t *testing.T) {
	t.Parallel()
	conn := mustDial(t, serve(t, func(c *Conn) { _ = c.Close() }))
	_, _, err := conn.Read()
	wantReason(t, err, "closed.lost")
}

func TestReadRefusesBrokenFraming(t *testing.T) {
	t.Parallel()
	conn := mustDial(t, serve(t, func(c *Conn) {
		_, _ = c.NetConn().Write([]byte{0xf3, 0x05, 1, 2, 3, 4, 5}) // reserved bits and opcode
		_, _, _ = c.Read()
	}))
	_, _, err := conn.Read()
	wantReason(t, err, "protocol.frame")
}

func TestCloseWakesRead(t *testing.T) {
	t.Parallel()
	conn := mustDial(t, serve(t, echo))
	woken := make(chan error, 1)
	Spawn(func() { _, _, err := conn.Read(); woken <- err }, nil)
	_ = conn.Close()
	wantReason(t, <-woken, "closed.local")
}

func TestWriteEndsByItsDeadline(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	conn := mustDial(t, serve(t, func(*Conn) { <-release })) // a peer that reads nothing
	defer close(release)
	err := conn.Write(Binary, make([]byte, 64<<20), time.Now().Add(100*time.Millisecond))
	wantReason(t, err, "timeout.write")
}

func TestWriteWaitsForOtherWritersNoLongerThanItsDeadline(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	conn := mustDial(t, serve(t, func(*Conn) { <-release }))
	defer close(release)
	busy := make(chan struct{})
	Spawn(func() { close(busy); _ = conn.Write(Binary, make([]byte, 64<<20), time.Now().Add(5*time.Second)) }, nil)
	<-busy
	for len(conn.writing) == 0 {
		time.Sleep(time.Millisecond)
	}
	wantReason(t, conn.Write(Binary, nil, time.Now().Add(50*time.Millisecond)), "timeout.write")
}

func TestPingIsAnsweredAndHeard(t *testing.T) {
	t.Parallel()
	conn := mustDial(t, serve(t, echo))
	Spawn(func() { _, _, _ = conn.Read() }, nil)
	before := conn.Heard()
	if err := conn.Ping(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !conn.Heard().After(before); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the answer to a ping was not heard")
		}
	}
}

func TestDialRefusesPlaintextToOtherMachines(t *testing.T) {
	t.Parallel()
	// 192.0.2.0/24 is for documentation (RFC 5737); the refusal comes before anything is sent.
	for _, address := range []string{"ws://192.0.2.1:1/", "ws://[2001:db8::1]:1/"} {
		u, _ := url.Parse(address)
		_, err := dial(t, DialOptions{URL: u})
		wantReason(t, err, "argument.insecure_url")
	}
	u, _ := url.Parse("ws://127.0.0.1:1/")
	_, err := dial(t, DialOptions{URL: u, Proxy: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}})
	wantReason(t, err, "argument.insecure_url")
}

func TestDialSaysThatNothingListens(t *testing.T) {
	t.Parallel()
	listener := listen(t)
	address := &url.URL{Scheme: "ws", Host: listener.Addr().String()}
	_ = listener.Close()
	_, err := dial(t, DialOptions{URL: address})
	wantReason(t, err, "connect.refused")
}

func TestDialEndsByItsDeadline(t *testing.T) {
	t.Parallel()
	listener := listen(t) // the kernel accepts, nobody answers
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := Dial(ctx, DialOptions{URL: &url.URL{Scheme: "ws", Host: listener.Addr().String()}, ReadLimit: limit})
	wantReason(t, err, "timeout.connect")
}

func TestDialEndsByItsDeadlineInTheMiddleOfAnAnswer(t *testing.T) {
	t.Parallel()
	for range 50 {
		address := answerRaw(t, func(string) string { return "HTTP/1.1 1" })
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		_, err := Dial(ctx, DialOptions{URL: address, ReadLimit: limit})
		cancel()
		wantReason(t, err, "timeout.connect")
	}
}

func TestDialStopsWhenCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	address := answerRaw(t, func(string) string { cancel(); return "" })
	_, err := Dial(ctx, DialOptions{URL: address, ReadLimit: limit})
	wantReason(t, err, "cancelled.not_sent")
}

func TestDialTellsHTTPAnswersApart(t *testing.T) {
	t.Parallel()
	for status, reason := range map[int]string{
		401: "auth.rejected", 403: "auth.rejected", 404: "connect.function", 500: "connect.status", 307: "connect.status",
	} {
		address := serveHTTP(t, nil, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"error":"because\nso"}`)
		})
		_, err := dial(t, DialOptions{URL: address})
		wantReason(t, err, reason)
		if !strings.Contains(err.Error(), "because so") {
			t.Errorf("HTTP %d: the server's words are missing in %q", status, err)
		}
	}
}

func TestDialRefusesCompressionThatTheServerForces(t *testing.T) {
	t.Parallel()
	address := answerRaw(t, func(key string) string {
		return acceptHeader(key) + "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n\r\n"
	})
	_, err := dial(t, DialOptions{URL: address})
	wantReason(t, err, "protocol.handshake")
}

func TestDialRefusesASubprotocolThatWasNotOffered(t *testing.T) {
	t.Parallel()
	for _, chosen := range []string{"other", "secret"} {
		address := answerRaw(t, func(key string) string {
			return acceptHeader(key) + "Sec-WebSocket-Protocol: " + chosen + "\r\n\r\n"
		})
		_, err := dial(t, DialOptions{URL: address, Subprotocols: []string{"cape.runtime", "secret"}})
		wantReason(t, err, "protocol.handshake")
	}
}

func TestDialBoundsTheServersHandshake(t *testing.T) {
	t.Parallel()
	address := answerRaw(t, func(key string) string {
		return acceptHeader(key) + "X: " + strings.Repeat("x", 2*maxHandshake) + "\r\n\r\n"
	})
	_, err := dial(t, DialOptions{URL: address})
	wantReason(t, err, "limit.handshake")
}

func TestDialWantsATLSCertificateItKnows(t *testing.T) {
	t.Parallel()
	config, pool := certificate(t, "127.0.0.1", time.Now().Add(time.Hour))
	address := serveHTTP(t, config, func(w http.ResponseWriter, r *http.Request) {
		if conn, err := Accept(w, r, AcceptOptions{Subprotocol: "cape.runtime", ReadLimit: limit}); err == nil {
			echo(conn)
		}
	})
	_, err := dial(t, DialOptions{URL: address})
	wantReason(t, err, "tls.unknown_authority")
	conn, err := dial(t, DialOptions{URL: address, TLSRoots: pool})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Write(Text, []byte("x"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, data, err := conn.Read(); err != nil || string(data) != "x" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestDialTellsTLSFaultsApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, reason string
		until        time.Duration
	}{{"127.0.0.2", "tls.hostname", time.Hour}, {"127.0.0.1", "tls.expired", -time.Hour}} {
		config, pool := certificate(t, c.host, time.Now().Add(c.until))
		address := serveHTTP(t, config, func(http.ResponseWriter, *http.Request) {})
		_, err := dial(t, DialOptions{URL: address, TLSRoots: pool})
		wantReason(t, err, c.reason)
	}
	plain := serve(t, echo)
	plain.Scheme = "wss"
	_, err := dial(t, DialOptions{URL: plain})
	wantReason(t, err, "tls.handshake")
}

func TestDialGoesThroughAProxy(t *testing.T) {
	t.Parallel()
	config, pool := certificate(t, "127.0.0.1", time.Now().Add(time.Hour))
	target := serveHTTP(t, config, func(w http.ResponseWriter, r *http.Request) {
		if conn, err := Accept(w, r, AcceptOptions{Subprotocol: "cape.runtime", ReadLimit: limit}); err == nil {
			echo(conn)
		}
	})
	asked := make(chan string, 1)
	proxy := serveHTTP(t, nil, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Host
		upstream, err := net.Dial("tcp", r.Host)
		if err != nil {
			t.Error(err)
			return
		}
		defer upstream.Close()
		w.WriteHeader(http.StatusOK)
		client, received, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer client.Close()
		Spawn(func() { _, _ = io.Copy(upstream, received) }, nil) // what has come already is no longer in client
		_, _ = io.Copy(client, upstream)
	})
	conn, err := dial(t, DialOptions{URL: target, TLSRoots: pool, Proxy: &url.URL{Scheme: "http", Host: proxy.Host}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := <-asked, "CONNECT "+target.Host; got != want {
		t.Errorf("the proxy was asked %q, not %q", got, want)
	}
	_ = conn.Close()
	_, err = dial(t, DialOptions{URL: target, TLSRoots: pool, Proxy: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}})
	wantReason(t, err, "connect.proxy")
}

func TestSpawnContainsAPanic(t *testing.T) {
	t.Parallel()
	told := make(chan any)
	Spawn(func() { panic("oh") }, func(value any) { told <- value })
	if value := <-told; value != "oh" {
		t.Errorf("told of %v", value)
	}
}

// certificate makes a TLS server of its own authority.
func certificate(t *testing.T, address string, until time.Time) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: fmt.Sprint("test ", address)},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.ParseIP(address)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

func TestReadGoesOnWhileTheAnswerToAPingWaits(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	conn := mustDial(t, serve(t, func(c *Conn) {
		Spawn(func() { _ = c.Write(Binary, make([]byte, 64<<20), time.Time{}) }, nil) // more than the network holds
		for len(c.writing) == 0 {
			time.Sleep(time.Millisecond)
		}
		_, data, err := c.Read()
		got <- fmt.Sprint(string(data), err)
	}))
	if err := conn.Ping(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Write(Text, []byte("hi"), time.Now().Add(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	select {
	case message := <-got:
		if message != "hi<nil>" {
			t.Errorf("read %s", message)
		}
	case <-time.After(5 * time.Second):
		t.Error("nothing is read while the answer to a ping waits")
	}
}

func TestAMessageIsReadPieceByPiece(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	heard := make(chan error, 1)
	address := serve(t, func(c *Conn) {
		heard <- func() error {
			for _, want := range []Kind{Text, Binary} {
				kind, from, err := c.Next()
				if err != nil {
					return err
				}
				got, err := io.ReadAll(from)
				if err != nil || kind != want || !bytes.Equal(got, content) {
					return fmt.Errorf("%d bytes of kind %d, %v", len(got), kind, err)
				}
			}
			if received := c.Received(); received != int64(2*len(content)) {
				return fmt.Errorf("%d bytes are counted", received)
			}
			kind, from, err := c.Next()
			if err != nil {
				return fmt.Errorf("%d, %w", kind, err)
			}
			_, err = io.Copy(io.Discard, from)
			var told *Error
			if !errors.As(err, &told) || told.Reason != "limit.message" {
				return fmt.Errorf("a message over the limit ends with %v", err)
			}
			return nil
		}()
	})
	c, err := Dial(t.Context(), DialOptions{URL: address, Subprotocols: []string{"cape.runtime"}, ReadLimit: limit})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, kind := range []Kind{Text, Binary} {
		if err := c.Write(kind, content, time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.Write(Binary, make([]byte, limit+1), time.Now().Add(time.Minute))
	if err := <-heard; err != nil {
		t.Error(err)
	}
}
