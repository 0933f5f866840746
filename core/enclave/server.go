package enclave

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/libcape/libcape/core/transport"
)

const (
	maxHeader      = 64 << 10 // bytes; tokens travel in a header
	maxConnections = 1024     // at once, sessions and others together
	runRoute       = "v1/run/"
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
			e.options.Log.Warn("connection dropped: too many are open", "limit", maxConnections)
			_ = conn.Close()
		}
	case http.StateClosed, http.StateHijacked:
		e.connections.Add(-1)
	}
}

func (e *Enclave) serve(w http.ResponseWriter, r *http.Request) {
	conn, _ := r.Context().Value(connectionKey{}).(net.Conn)
	if e.faulty(SilentHandshake) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // ends the connection without an answer
	}
	// What net/http reads of a refused request's body before it answers is bounded in time too. An
	// accepted websocket is free of both.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(e.options.requestTimeout))
	w.Header().Set("Connection", "close")
	// Nothing redirects: clients that add a path to "https://host/" ask for "//v1/...".
	reference, isRun := strings.CutPrefix(strings.TrimLeft(r.URL.Path, "/"), runRoute)
	if !isRun {
		refuse(w, http.StatusNotFound, "no such route: functions are run at /v1/run/{id} and /v1/run/{user}/{name}")
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		refuse(w, http.StatusMethodNotAllowed, "functions are run over a websocket: use GET with an upgrade")
		return
	}
	function := e.find(reference)
	if function == nil {
		refuse(w, http.StatusNotFound, "no such function here: use an id or a name that the enclave printed at its start")
		return
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Upgrade", "websocket")
		refuse(w, http.StatusUpgradeRequired, "functions are run over a websocket: upgrade the connection")
		return
	}
	scheme, ok := scheme(transport.Subprotocols(r))
	if !ok {
		refuse(w, http.StatusBadRequest, "offer the subprotocol cape.runtime or cape.function, then the token")
		return
	}
	switch {
	case e.faulty(RejectToken):
		refuse(w, http.StatusUnauthorized, "the token is rejected, as the fault reject_token asks for")
	case e.faulty(RejectUpgrade):
		refuse(w, http.StatusServiceUnavailable, "the handshake is rejected, as the fault reject_upgrade asks for")
	default:
		e.accept(w, r, conn, function, scheme)
	}
}

func (e *Enclave) accept(w http.ResponseWriter, r *http.Request, conn net.Conn, f *function, scheme string) {
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
		enclave: e, function: f, conn: websocket, below: conn,
		attested: make(chan struct{}), queue: newQueue(e.maxQueued(), queueLength),
		log: e.options.Log.With("function", f.name, "peer", r.RemoteAddr),
	}
	s.run(e.ctx)
}

// scheme is the first subprotocol offered, if it is one of the two that name a kind of token.
// What follows it is the token: here any will do, and none.
func scheme(offered []string) (string, bool) {
	if len(offered) > 0 && (offered[0] == "cape.runtime" || offered[0] == "cape.function") {
		return offered[0], true
	}
	return "", false
}

// refuse answers with an HTTP status and its reason in words, under both names that clients
// look for.
func refuse(w http.ResponseWriter, status int, text string) {
	body, err := json.Marshal(map[string]string{"error": text, "message": text})
	if err != nil {
		panic(err) // a map of strings cannot fail
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// debugLog receives what net/http says about its connections.
type debugLog struct{ to *slog.Logger }

func (d debugLog) Write(line []byte) (int, error) {
	d.to.Debug(strings.TrimSpace(string(line)))
	return len(line), nil
}
