package enclave

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/libcape/libcape/core/transport"
)

// answerTimes is how much longer an answer may take than a request: a key may have to be made first.
const answerTimes = 6

// serve answers one request, whatever its route.
func (e *Enclave) serve(w http.ResponseWriter, r *http.Request) {
	conn, _ := r.Context().Value(connectionKey{}).(net.Conn)
	if e.faulty(SilentHandshake) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // ends the connection without an answer
	}
	// What net/http reads of a refused request's body before it answers is bounded in time too, and
	// so is the wait for a client that does not read the answer. An accepted websocket is free of both.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(e.options.requestTimeout))
	_ = control.SetWriteDeadline(time.Now().Add(answerTimes * e.options.requestTimeout))
	w.Header().Set("Connection", "close")
	// Nothing redirects: clients that add a path to "https://host/" ask for "//v1/...".
	path := strings.TrimLeft(r.URL.Path, "/")
	if reference, isRun := strings.CutPrefix(path, "v1/run/"); isRun {
		e.open(w, r, conn, func(by Caller) (*conversation, error) { return e.runRoute(r, by, reference) })
		return
	}
	if owner, isKey := userOfKey(path); isKey {
		e.serveUserKey(w, r, owner)
		return
	}
	switch path {
	case "v1/key":
		e.open(w, r, conn, e.keyRoute)
	case "v1/deploy":
		e.open(w, r, conn, e.deployRoute)
	case "v1/test":
		e.open(w, r, conn, e.testRoute)
	default:
		r = r.Clone(r.Context())
		r.URL.Path, r.URL.RawPath = "/"+path, ""
		e.service.ServeHTTP(w, r)
	}
}

// open makes a session of a request, once it is known who asks and what the session is about.
func (e *Enclave) open(w http.ResponseWriter, r *http.Request, conn net.Conn, route func(Caller) (*conversation, error)) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		refuse(w, http.StatusMethodNotAllowed, "this route is a websocket: use GET with an upgrade")
		return
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Upgrade", "websocket")
		refuse(w, http.StatusUpgradeRequired, "this route is a websocket: upgrade the connection")
		return
	}
	offered, ok := credential(transport.Subprotocols(r))
	if !ok {
		refuse(w, http.StatusBadRequest, "offer the subprotocol cape.runtime or cape.function, then the token")
		return
	}
	if e.faulty(RejectToken) {
		refuse(w, http.StatusUnauthorized, "the token is rejected, as the fault reject_token asks for")
		return
	}
	by, err := e.service.Authorise(r.Context(), offered)
	if err != nil {
		e.refuse(w, err)
		return
	}
	if err := by.CheckOrigin(r); err != nil {
		e.refuse(w, err)
		return
	}
	r.Header.Del("Origin") // of which no more is asked than that
	if !by.Unproven {
		leave, err := e.visits.enter(by.User)
		if err != nil {
			e.refuse(w, err)
			return
		}
		defer leave()
	}
	about, err := route(by)
	if err != nil {
		e.refuse(w, err)
		return
	}
	if about.leave != nil {
		defer about.leave()
	}
	if about.standing == nil {
		about.standing = by.Standing
	}
	if e.faulty(RejectUpgrade) {
		refuse(w, http.StatusServiceUnavailable, "the handshake is rejected, as the fault reject_upgrade asks for")
		return
	}
	e.accept(w, r, conn, offered.Scheme, about)
}

// runRoute is a session that runs one function.
func (e *Enclave) runRoute(r *http.Request, by Caller, reference string) (*conversation, error) {
	f, standing := e.find(reference), by.Standing
	if f == nil {
		deployed, err := e.service.Lookup(r.Context(), by, reference)
		if err != nil {
			return nil, err
		}
		f = e.deployedFunction(deployed)
		standing = func() error {
			if by.Standing != nil {
				if err := by.Standing(); err != nil {
					return err
				}
			}
			_, err := e.service.Lookup(e.ctx, by, f.id)
			return err
		}
	}
	if by.Function != "" && by.Function != f.id {
		return nil, &Refusal{http.StatusForbidden, "the token is for another function: use one for this function, or for any"}
	}
	return &conversation{function: f, limit: e.maxSealed(), queued: queueLargest * e.maxSealed(), standing: standing, talk: (*session).runFunction}, nil
}

// credential is the first subprotocol offered, if it is one of the two that name a kind of token,
// and the token that follows it.
func credential(offered []string) (Credential, bool) {
	if len(offered) == 0 || offered[0] != "cape.runtime" && offered[0] != "cape.function" {
		return Credential{}, false
	}
	c := Credential{Scheme: offered[0]}
	if len(offered) > 1 {
		c.Token = offered[1]
	}
	return c, true
}

// refuse answers with an error of the service.
func (e *Enclave) refuse(w http.ResponseWriter, err error) {
	refusal := e.refusal(err)
	refuse(w, refusal.Status, refusal.Text)
}

// refusal is what a caller is told of an error of the service.
func (e *Enclave) refusal(err error) *Refusal {
	var told *Refusal
	if errors.As(err, &told) {
		return told
	}
	e.options.Log.Error("failure in the service", "error", err)
	return &Refusal{http.StatusInternalServerError, "the enclave has a failure: its log has the details"}
}
