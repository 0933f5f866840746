package service_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/enclave/service"
	"github.com/libcape/libcape/core/wire"
)

// connected opens a session that has run the function once.
func (w *world) connected(token, reference string) *capelib.Conn {
	w.t.Helper()
	o := w.options(token)
	o.Function = reference
	conn, err := capelib.Connect(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	if output, err := conn.Invoke(w.t.Context(), []byte("abc")); err != nil || string(output) != "ABC" {
		w.t.Fatalf("%q, %v", output, err)
	}
	return conn
}

// wantEnded wants the next request of a session to be refused with this text, and the session to
// be over.
func (w *world) wantEnded(conn *capelib.Conn, text string) {
	w.t.Helper()
	_, err := conn.Invoke(w.t.Context(), []byte("abc"))
	wantReason(w.t, err, "function.error", text)
	if output, err := conn.Invoke(w.t.Context(), []byte("abc")); err == nil {
		w.t.Errorf("the session goes on: %q", output)
	}
}

func TestAnOpenSessionEndsWithItsTokenAndItsFunction(t *testing.T) {
	t.Parallel()
	var late atomic.Bool
	w := open(t, t.TempDir(), service.Options{Auth: true, Now: func() time.Time {
		if late.Load() {
			return time.Now().Add(2 * time.Hour)
		}
		return time.Now()
	}})
	ada, bob := w.token("ada", wire.TokenRequest{}), w.token("bob", wire.TokenRequest{})
	one, other := w.deploy(ada, "one", shout, true), w.deploy(ada, "other", shout, true)
	w.wantRun(bob, one.ID, "ABC")

	scoped := w.token("ada", wire.TokenRequest{Name: "scoped", FunctionID: one.ID})
	withScoped, withAda, withBob := w.connected(scoped, one.ID), w.connected(ada, "ada/one"), w.connected(bob, one.ID)
	for _, token := range w.store.Tokens("ada") {
		if token.Name == "scoped" {
			if err := capelib.DeleteToken(t.Context(), w.options(ada), token.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.wantEnded(withScoped, "revoked")
	if _, err := withAda.Invoke(t.Context(), nil); err != nil {
		t.Errorf("a session with another token: %v", err)
	}

	w.deploy(ada, "one", "def cape_handler(data):\n    return b'new'\n", true) // the name moves, the function is there
	if output, err := withAda.Invoke(t.Context(), []byte("abc")); err != nil || string(output) != "ABC" {
		t.Errorf("after a redeployment: %q, %v", output, err)
	}
	if err := capelib.Delete(t.Context(), w.options(ada), one.ID); err != nil {
		t.Fatal(err)
	}
	w.wantEnded(withAda, "no such function")
	w.wantEnded(withBob, "no such function")

	expiry := time.Now().Add(time.Hour)
	short := w.connected(w.token("bob", wire.TokenRequest{Expiry: &expiry}), other.ID)
	lasting := w.connected(bob, other.ID)
	late.Store(true)
	w.wantEnded(short, "token is expired")
	if _, err := lasting.Invoke(t.Context(), nil); err != nil {
		t.Errorf("a session whose token does not expire: %v", err)
	}
}
