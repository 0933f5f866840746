package service_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/enclave/service"
	"github.com/libcape/libcape/core/enclave/store"
	"github.com/libcape/libcape/core/wire"
)

// alone is a service without an enclave.
func alone(t *testing.T, folder string, o service.Options) (*service.Service, *store.Folder) {
	t.Helper()
	kept, err := store.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kept.Close() })
	o.Store = kept
	s, err := service.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, kept
}

func ask(s *service.Service, token, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestAScopedTokenDoesNothingButRunItsFunction(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir(), service.Options{Auth: true})
	token := w.token("ada", wire.TokenRequest{})
	deployed := w.deploy(token, "one", shout, true)
	scoped := w.token("ada", wire.TokenRequest{Name: "scoped", FunctionID: deployed.ID})
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/v1/functions", ""}, {"GET", "/v1/functions/" + deployed.ID, ""}, {"DELETE", "/v1/functions/" + deployed.ID, ""},
		{"POST", "/v1/token", `{"name":"n"}`}, {"POST", "/v1/token", `{"name":"n","function_id":"` + deployed.ID + `"}`},
		{"GET", "/v1/tokens", ""}, {"DELETE", "/v1/token/" + w.store.Tokens("ada")[0].ID, ""},
		{"GET", "/v1/ada/function/one", ""}, {"GET", "/v1/user/identity", ""}, {"POST", "/v1/marketplace_link_account", "{}"},
	} {
		if got := ask(w.service, scoped, c.method, c.path, c.body); got.Code != http.StatusForbidden {
			t.Errorf("%s %s: %d %s", c.method, c.path, got.Code, got.Body)
		}
	}
	_, err := capelib.Deploy(t.Context(), w.options(scoped), capelib.Deployment{Path: function(t, shout), Name: "two"})
	wantReason(t, err, "auth.rejected", "not bound to a function")
	_, _, err = capelib.Test(t.Context(), w.options(scoped), function(t, shout), nil)
	wantReason(t, err, "auth.rejected", "not bound to a function")
	_, err = w.run(scoped, "local/other", "")
	wantReason(t, err, "connect.function", "")
	w.wantRun(scoped, "ada/one", "ABC")
	if len(w.store.Functions("ada")) != 1 || len(w.store.Tokens("ada")) != 2 {
		t.Error("something was changed")
	}
}

func TestNamesThatAreNotOnesOwnOrNoNamesAreRefused(t *testing.T) {
	t.Parallel()
	s, kept := alone(t, t.TempDir(), service.Options{Auth: true})
	for name, status := range map[string]int{
		"bob/f": 403, "Ada/f": 403, "/f": 403, "ada /f": 403, "../f": 403, "ada\x00/f": 403,
		"ada/": 400, "ada/a/b": 400, ".": 400, "..": 400, "ada/..": 400, "a b": 400, "ä": 400, "a\x00": 400, "a\n": 400, "a%2fb": 400,
		"аda": 400 /* with a Cyrillic letter */, "\u202ef": 400, "f\u200b": 400, strings.Repeat("x", 129): 400, "\xff": 400, " f": 400, "f?": 400,
	} {
		_, err := s.Deploy(t.Context(), enclave.Caller{User: "ada"}, enclave.Deployment{Name: name})
		var refusal *enclave.Refusal
		if !errors.As(err, &refusal) || refusal.Status != status || !utf8.ValidString(refusal.Text) || strings.ContainsAny(refusal.Text, "\x00\n\u202e") {
			t.Errorf("%q: %v, want %d", name, err, status)
		}
	}
	for _, name := range []string{"f", "ada/F", "-", "a.b", "_", strings.Repeat("x", 128), "..."} {
		if _, err := s.Deploy(t.Context(), enclave.Caller{User: "ada"}, enclave.Deployment{Name: name}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if n := len(kept.Functions("ada")); n != 7 {
		t.Errorf("%d functions", n)
	}
	for _, user := range []string{"", ".", "..", "a/b", "a b", "a\x00", strings.Repeat("x", 65), "\u202ea"} {
		if _, err := s.CreateToken(user, wire.TokenRequest{}); err == nil {
			t.Errorf("%q is a user", user)
		}
	}
}

func TestPagesOfAListAreBounded(t *testing.T) {
	t.Parallel()
	s, _ := alone(t, t.TempDir(), service.Options{})
	for range 3 {
		if _, err := s.Deploy(t.Context(), enclave.Caller{User: service.DefaultUser}, enclave.Deployment{}); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]int{
		"": 3, "limit=0": 0, "limit=1": 1, "limit=9223372036854775807": 3, "offset=2": 1, "offset=3": 0, "offset=9223372036854775807": 0,
		"limit=9223372036854775807&offset=9223372036854775807": 0, "limit=&offset=": 3, "limit=+1": 1,
		"limit=-1": -1, "offset=-1": -1, "limit=9223372036854775808": -1, "limit=x": -1, "offset=1e3": -1, "limit=0x10": -1,
		"limit=" + strings.Repeat("9", 60_000): -1,
	} {
		got := ask(s, "", "GET", "/v1/functions?"+strings.ReplaceAll(query, "+", "%2B"), "")
		if entries := strings.Count(got.Body.String(), `"id"`); want < 0 && got.Code != 400 || want >= 0 && (got.Code != 200 || entries != want) {
			t.Errorf("%.60s: %d with %d entries, want %d", query, got.Code, entries, want)
		}
		if got.Code == 400 && got.Body.Len() > 1024 {
			t.Errorf("%.60s is answered with %d bytes", query, got.Body.Len())
		}
	}
}

func TestBodiesThatAreNoRequestAreRefused(t *testing.T) {
	t.Parallel()
	s, kept := alone(t, t.TempDir(), service.Options{})
	for _, body := range []string{
		"", "null x", "[]", `"x"`, `{"name":1}`, `{"expiry":"tomorrow"}`, `{"expiry":""}`, `{"name":"n"} {"name":"m"}`,
		strings.Repeat("[", 30_000), `{"name":"` + strings.Repeat("x", 64<<10) + `"}`, `{"function_id":["x"]}`,
	} {
		if got := ask(s, "", "POST", "/v1/token", body); got.Code != 400 {
			t.Errorf("%.40q: %d %s", body, got.Code, got.Body)
		}
	}
	if len(kept.Tokens(service.DefaultUser)) != 0 {
		t.Error("a token was made")
	}
}

// TestDeployingAndDeletingAtOnceLeavesNoNameWithoutAFunction lets many do both with a few names.
func TestDeployingAndDeletingAtOnceLeavesNoNameWithoutAFunction(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "data")
	s, kept := alone(t, folder, service.Options{})
	by := enclave.Caller{User: service.DefaultUser}
	name := func(i int) string { return fmt.Sprint("f", i) }
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for round := range 20 {
				id, err := s.Deploy(t.Context(), by, enclave.Deployment{Name: name(round % 2), Code: strings.NewReader(name(worker))})
				if err != nil {
					t.Error(err)
					return
				}
				victim := id
				if list := kept.Functions(by.User); len(list) > 0 && rand.IntN(2) == 0 {
					victim = list[rand.IntN(len(list))].ID
				}
				if got := ask(s, "", "DELETE", "/v1/functions/"+victim, ""); got.Code != 200 && got.Code != 404 {
					t.Errorf("delete: %d %s", got.Code, got.Body)
				}
				if f, err := s.Lookup(t.Context(), by, by.User+"/"+name(round%2)); err == nil {
					if code, _, err := f.Code(); err == nil {
						_ = code.Close()
					} else if !errors.Is(err, store.ErrNotFound) {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	holds := func(kept *store.Folder) (held [2]string) {
		for i := range held {
			if f, err := kept.Named(by.User + "/" + name(i)); err == nil {
				held[i] = f.ID
			} else if !errors.Is(err, store.ErrNotFound) {
				t.Error(err)
			}
		}
		for _, f := range kept.Functions(by.User) {
			code, _, err := kept.Code(f.ID)
			if err != nil {
				t.Errorf("%s has no code: %v", f.ID, err)
				continue
			}
			_, err = io.Copy(io.Discard, code)
			_ = errors.Join(err, code.Close())
		}
		return held
	}
	before := holds(kept)
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := store.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if after := holds(again); after != before {
		t.Errorf("the names stood for %v, after a restart %v", before, after)
	}
}

// TestAPageOfAnotherMachineHasNoTokenMade matters where any token is good: a name that a page has
// given this machine makes the page's requests ones to its own host, whose answers it may read.
func TestAPageOfAnotherMachineHasNoTokenMade(t *testing.T) {
	t.Parallel()
	s, kept := alone(t, t.TempDir(), service.Options{})
	from := func(origin, token, method, path string) int {
		r := httptest.NewRequest(method, path, strings.NewReader(`{"name":"n"}`))
		r.Header.Set("Origin", origin)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Code
	}
	for _, origin := range []string{"https://shop.example", "http://127.0.0.1.shop.example:8765", "null", "http://%zz"} {
		for _, route := range []string{"POST /v1/token", "GET /v1/functions", "DELETE /v1/token/x"} {
			method, path, _ := strings.Cut(route, " ")
			if code := from(origin, "", method, path); code != http.StatusForbidden {
				t.Errorf("%s from %s: %d", route, origin, code)
			}
		}
	}
	if made := len(kept.Tokens(service.DefaultUser)); made != 0 {
		t.Errorf("%d tokens were made", made)
	}
	if code := from("http://localhost:3000", "", "POST", "/v1/token"); code != http.StatusCreated {
		t.Errorf("from this machine: %d", code)
	}
	proven, err := s.CreateToken(service.DefaultUser, wire.TokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if code := from("https://shop.example", proven, "GET", "/v1/functions"); code != http.StatusOK {
		t.Errorf("with a token that this service made: %d", code)
	}
}

func TestThereIsAKeyForTheFunctionsOfTheStart(t *testing.T) {
	t.Parallel()
	s, kept := alone(t, t.TempDir(), service.Options{Auth: true})
	if _, err := s.Key(t.Context(), "nobody"); err == nil {
		t.Error("there is a key for whoever asks")
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Key(cancelled, service.DefaultUser); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("none is made: %v", err)
	}
	if _, err := kept.PutKey("cape/"+service.DefaultUser, capeKeys()["ada"]); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Key(t.Context(), service.DefaultUser); err != nil {
		t.Error(err)
	}
}

// TestStrangersAreNotRememberedWithoutEnd is for a service that takes any token: whatever names a
// caller makes up, each would have a key made, which takes seconds and is kept.
func TestStrangersAreNotRememberedWithoutEnd(t *testing.T) {
	t.Parallel()
	s, kept := alone(t, t.TempDir(), service.Options{})
	named := func(user string) error {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"https://capeprivacy.com/username": user}).SignedString([]byte("any"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Authorise(t.Context(), enclave.Credential{Token: token})
		return err
	}
	if _, err := kept.PutKey("cape/known", capeKeys()["ada"]); err != nil {
		t.Fatal(err)
	}
	let := 0
	for i := range 2000 {
		if named(fmt.Sprint("user", i)) == nil {
			let++
		}
	}
	if let < 100 || let > 1000 {
		t.Errorf("%d made-up users were let in", let)
	}
	for _, user := range []string{"user0", "known", service.DefaultUser} {
		if err := named(user); err != nil {
			t.Errorf("%s is shut out: %v", user, err)
		}
	}
	var refusal *enclave.Refusal
	if err := named("one-more"); !errors.As(err, &refusal) || refusal.Status != http.StatusForbidden || !strings.Contains(refusal.Text, "--auth") {
		t.Errorf("%v", err)
	}
	if _, err := s.Key(t.Context(), "one-more"); err == nil {
		t.Error("there is a key for one who was not let in")
	}
}

// TestUsersWhoseNamesAreAddresses is for issuers that call their users so.
func TestUsersWhoseNamesAreAddresses(t *testing.T) {
	t.Parallel()
	const user = "ada@example.com"
	w := open(t, t.TempDir(), service.Options{Auth: true})
	if _, err := w.store.PutKey("cape/"+user, capeKeys()["ada"]); err != nil {
		t.Fatal(err)
	}
	token := w.token(user, wire.TokenRequest{})
	w.deploy(token, user+"/shout", shout, false)
	w.wantRun(token, user+"/shout", "ABC")
	if _, _, err := capelib.UserKey(t.Context(), w.options(""), user); err != nil {
		t.Error(err)
	}
}
