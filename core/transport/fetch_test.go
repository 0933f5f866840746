package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// fetchFrom gives the address of a server for requests without TLS.
func fetchFrom(t *testing.T, handle http.HandlerFunc) Request {
	t.Helper()
	address := serveHTTP(t, nil, handle)
	return Request{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: address.Host, Path: "/v1/tokens"}, ReadLimit: 1000}
}

func TestFetchSendsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	r := fetchFrom(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer a.b.c" || string(body) != "{}" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %v %q", r.Method, r.Header, body)
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "made")
	})
	r.Method, r.Token, r.Body, r.ContentType = http.MethodPost, "a.b.c", []byte("{}"), "application/json"
	if status, body, err := Fetch(context.Background(), r); status != 201 || string(body) != "made" || err != nil {
		t.Errorf("%d %q %v", status, body, err)
	}
}

func TestFetchFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	r := fetchFrom(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/tokens" {
			t.Error("the redirect was followed")
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	if status, _, err := Fetch(context.Background(), r); status != 307 || err != nil {
		t.Errorf("%d %v", status, err)
	}
}

func TestFetchBoundsTheAnswer(t *testing.T) {
	t.Parallel()
	var size atomic.Int64
	size.Store(1000)
	r := fetchFrom(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", int(size.Load())))
	})
	if _, body, err := Fetch(context.Background(), r); len(body) != 1000 || err != nil {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	size.Add(1)
	_, _, err := Fetch(context.Background(), r)
	wantReason(t, err, "limit.reply")
}

func TestFetchTellsWhatWentWrong(t *testing.T) {
	t.Parallel()
	silent := listen(t)
	garbage := answerRaw(t, func(string) string { return "no HTTP at all\r\n\r\n" })
	dropped := listen(t)
	Spawn(func() {
		if conn, err := dropped.Accept(); err == nil {
			_ = conn.Close()
		}
	}, nil)
	closed := listen(t)
	_ = closed.Close()
	at := func(scheme, host string) Request {
		return Request{Method: http.MethodGet, URL: &url.URL{Scheme: scheme, Host: host, Path: "/"}, ReadLimit: 10}
	}
	proxied := at("https", "enclave.example")
	proxied.Proxy = &url.URL{Scheme: "http", Host: closed.Addr().String()}
	for reason, r := range map[string]Request{
		"connect.refused":       at("http", closed.Addr().String()),
		"connect.handshake":     at("http", garbage.Host),
		"argument.insecure_url": at("http", "192.0.2.1"),
		"timeout.connect":       at("http", silent.Addr().String()),
		"tls.handshake":         at("https", serveHTTP(t, nil, func(http.ResponseWriter, *http.Request) {}).Host),
		"connect.proxy":         proxied,
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			wait := 10 * time.Second
			if reason == "timeout.connect" {
				wait = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(context.Background(), wait)
			defer cancel()
			_, _, err := Fetch(ctx, r)
			wantReason(t, err, reason)
		})
	}
	if _, _, err := Fetch(context.Background(), at("http", dropped.Addr().String())); err == nil {
		t.Error("a dropped connection gives an answer")
	}
}

// TestFetchSaysWhetherAChangeMayHaveBeenMade is about requests that are not to be repeated blindly.
func TestFetchSaysWhetherAChangeMayHaveBeenMade(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, reason string
		give           func(cancel context.CancelFunc, w http.ResponseWriter) // up, in one way or another
	}{
		"a change that is cancelled": {http.MethodPost, "cancelled.outcome_unknown", func(cancel context.CancelFunc, _ http.ResponseWriter) { cancel() }},
		"one that takes long":        {http.MethodDelete, "timeout.outcome_unknown", func(context.CancelFunc, http.ResponseWriter) {}},
		"one that is not answered": {http.MethodPost, "closed.outcome_unknown", func(_ context.CancelFunc, w http.ResponseWriter) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_ = conn.Close()
		}},
		"a question that is cancelled": {http.MethodGet, "cancelled.not_sent", func(cancel context.CancelFunc, _ http.ResponseWriter) { cancel() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			r := fetchFrom(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				c.give(cancel, w)
				<-r.Context().Done()
			})
			r.Method, r.Body = c.method, []byte("{}")
			_, _, err := Fetch(ctx, r)
			wantReason(t, err, c.reason)
			cancel()
		})
	}
	closed := listen(t)
	_ = closed.Close()
	_, _, err := Fetch(context.Background(), Request{Method: http.MethodPost, URL: &url.URL{Scheme: "http", Host: closed.Addr().String(), Path: "/"}, ReadLimit: 10})
	wantReason(t, err, "connect.refused")
}

func TestFetchTrustsTheRootsThatItIsGiven(t *testing.T) {
	t.Parallel()
	config, roots := certificate(t, "127.0.0.1", time.Now().Add(time.Hour))
	address := serveHTTP(t, config, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	r := Request{Method: http.MethodGet, URL: &url.URL{Scheme: "https", Host: address.Host, Path: "/"}, ReadLimit: 10}
	_, _, err := Fetch(context.Background(), r)
	wantReason(t, err, "tls.unknown_authority")
	r.TLSRoots = roots
	if _, body, err := Fetch(context.Background(), r); string(body) != "ok" || err != nil {
		t.Errorf("%q %v", body, err)
	}
}

func TestAMessageMadeInPiecesArrivesAsOne(t *testing.T) {
	t.Parallel()
	got := make(chan []byte, 1)
	conn := mustDial(t, serve(t, func(conn *Conn) {
		kind, message, err := conn.Read()
		if err != nil || kind != Binary {
			t.Error(kind, err)
		}
		got <- message
	}))
	err := conn.WriteFrom(Binary, 10*time.Second, func(w io.Writer) error {
		for range 3 {
			if _, err := w.Write([]byte(strings.Repeat("x", bufferSize+1))); err != nil {
				return err
			}
		}
		_, err := io.WriteString(w, "end")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if message := <-got; string(message) != strings.Repeat("x", 3*(bufferSize+1))+"end" {
		t.Errorf("%d bytes came", len(message))
	}
	if conn.Sent() != 3*(bufferSize+1)+3 {
		t.Errorf("%d bytes were counted", conn.Sent())
	}
}

func TestAMessageMadeInPiecesEndsWithItsMakersError(t *testing.T) {
	t.Parallel()
	conn := mustDial(t, serve(t, func(conn *Conn) { _, _, _ = conn.Read() }))
	failure := errors.New("the file is gone")
	if err := conn.WriteFrom(Binary, 10*time.Second, func(io.Writer) error { return failure }); err != failure {
		t.Error(err)
	}
}

func TestAMessageMadeInPiecesThatNobodyTakesStalls(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	conn := mustDial(t, serve(t, func(*Conn) { <-release }))
	t.Cleanup(func() { close(release) })
	err := conn.WriteFrom(Binary, 100*time.Millisecond, func(w io.Writer) error {
		for {
			if _, err := w.Write(make([]byte, bufferSize)); err != nil {
				return err
			}
		}
	})
	wantReason(t, err, "timeout.write")
}
