package enclave

import (
	"context"
	"crypto/tls"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

const (
	maxHeader      = 64 << 10 // bytes; tokens travel in a header
	maxConnections = 1024     // at once, sessions and others together
	// maxConnectionsOfOne are sessions of one user, where users prove who they are.
	maxConnectionsOfOne = maxConnections * 3 / 4
	// droppedAgain is how many seconds pass before the log is told again that connections are dropped,
	// which anybody can bring about.
	droppedAgain = 60
)

func (e *Enclave) newServer() *http.Server {
	return &http.Server{
		Handler:           http.HandlerFunc(e.serve),
		ReadHeaderTimeout: e.options.requestTimeout,
		IdleTimeout:       e.options.IdleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(debugLog{e.options.Log}, "", 0),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2
		BaseContext:       func(net.Listener) context.Context { return e.ctx },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, conn)
		},
		ConnState: e.count,
	}
}

// connectionKey finds the connection of a request in its context: the outermost one, above TLS.
type connectionKey struct{}

// count keeps the number of connections within its bound. One that becomes a session is counted
// there.
func (e *Enclave) count(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if e.connections.Add(1) > maxConnections {
			if told, now := e.dropped.Load(), time.Now().Unix(); now-told >= droppedAgain && e.dropped.CompareAndSwap(told, now) {
				e.options.Log.Warn("connections are dropped: too many are open", "limit", maxConnections)
			}
			_ = conn.Close()
		}
	case http.StateClosed, http.StateHijacked:
		e.connections.Add(-1)
	}
}

func (e *Enclave) accept(w http.ResponseWriter, r *http.Request, conn net.Conn, scheme string, about *conversation) {
	if !e.enter() {
		refuse(w, http.StatusServiceUnavailable, "the enclave is shutting down")
		return
	}
	defer e.sessions.Done()
	websocket, err := transport.Accept(w, r, transport.AcceptOptions{Subprotocol: scheme, ReadLimit: maxStart})
	if err != nil {
		e.options.Log.Debug("handshake refused", "error", err)
		return
	}
	e.connections.Add(1)
	defer e.connections.Add(-1)
	defer websocket.Close()
	s := &session{
		enclave: e, conversation: about, conn: websocket, below: conn,
		begun: make(chan struct{}), attested: make(chan struct{}), queue: newQueue(about.queued, queueLength),
		log: e.options.Log.With("route", r.URL.Path, "peer", r.RemoteAddr),
	}
	if about.function != nil {
		s.log = s.log.With("function", about.function.name)
	}
	s.run(e.ctx)
}

// refuse answers with an HTTP status and its reason in words, under both names that clients
// look for.
func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(wire.EncodeRESTError(text))
}

// debugLog receives what net/http says about its connections.
type debugLog struct{ to *slog.Logger }

func (d debugLog) Write(line []byte) (int, error) {
	d.to.Debug(strings.TrimSpace(string(line)))
	return len(line), nil
}
