package capelib_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/wire"
)

// says serves a route with one answer, and hands each request to look.
func (s *service) says(pattern string, status int, body string, look func(r *http.Request, body string)) {
	s.routes.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer header.payload.signature" {
			s.t.Errorf("%s with %q", pattern, r.Header)
		}
		if look != nil {
			look(r, string(sent))
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// plain are options without what only an attestation needs.
func (s *service) plain() capelib.Options {
	return capelib.Options{URL: s.url, Token: "header.payload.signature", Timeout: 20 * time.Second}
}

func TestListAsksForAPage(t *testing.T) {
	t.Parallel()
	s := startService(t)
	s.says("GET /v1/functions", 200, `[{"id":"a","name":"ann/echo","created_at":"2026-01-31T12:00:00Z"}]`, func(r *http.Request, _ string) {
		if r.URL.RawQuery != "limit=50&offset=7" {
			t.Error(r.URL.RawQuery)
		}
	})
	functions, err := capelib.List(context.Background(), s.plain(), 0, 7)
	if err != nil || len(functions) != 1 || functions[0].ID != "a" || functions[0].Name != "ann/echo" || functions[0].CreatedAt.Year() != 2026 {
		t.Errorf("%+v %v", functions, err)
	}
	for _, page := range [][2]int{{-1, 0}, {1001, 0}, {1, -1}} {
		_, err := capelib.List(context.Background(), s.plain(), page[0], page[1])
		wantError(t, err, capelib.CodeArgument, "argument.size")
	}
}

func TestDeleteNamesTheFunction(t *testing.T) {
	t.Parallel()
	s := startService(t)
	s.says("DELETE /v1/functions/abc", 200, "", nil)
	s.says("DELETE /v1/token/abc", 200, "", nil)
	s.says("DELETE /v1/functions/gone", 404, string(wire.EncodeRESTError("no such function")), nil)
	if err := capelib.Delete(context.Background(), s.plain(), "abc"); err != nil {
		t.Error(err)
	}
	if err := capelib.DeleteToken(context.Background(), s.plain(), "abc"); err != nil {
		t.Error(err)
	}
	if failure := wantError(t, capelib.Delete(context.Background(), s.plain(), "gone"), capelib.CodeConnect, "connect.not_found"); !strings.Contains(failure.Message, "no such function") {
		t.Error(failure.Message)
	}
	wantError(t, capelib.DeleteToken(context.Background(), s.plain(), "none"), capelib.CodeConnect, "connect.not_found")
	for _, id := range []string{"", "..", "a/b", "a b", "%2e"} {
		wantError(t, capelib.Delete(context.Background(), s.plain(), id), capelib.CodeArgument, "argument.function")
		wantError(t, capelib.DeleteToken(context.Background(), s.plain(), id), capelib.CodeArgument, "argument.function")
	}
}

func TestTokensAreMadeAndListed(t *testing.T) {
	t.Parallel()
	s := startService(t)
	bodies := make(chan string, 2)
	s.says("POST /v1/token", 201, `{"token":"a.b.c"}`, func(_ *http.Request, body string) { bodies <- body })
	s.says("GET /v1/tokens", 200, `[{"id":"1","name":"n","description":"d","created_at":"2026-01-31T12:00:00Z","expiry":"2027-01-31T12:00:00Z"}]`, nil)
	token, err := capelib.CreateToken(context.Background(), s.plain(), capelib.TokenRequest{Name: "n"})
	if err != nil || token != "a.b.c" {
		t.Errorf("%q %v", token, err)
	}
	if body := <-bodies; body != `{"name":"n","description":"","function_id":""}` {
		t.Error(body)
	}
	expiry := time.Date(2027, 1, 31, 12, 0, 0, 5, time.FixedZone("", 3600))
	if _, err = capelib.CreateToken(context.Background(), s.plain(), capelib.TokenRequest{Name: "n", Description: "d", Function: "abc", Expiry: expiry}); err != nil {
		t.Error(err)
	}
	if body := <-bodies; body != `{"name":"n","description":"d","function_id":"abc","expiry":"2027-01-31T11:00:00.000000005Z"}` {
		t.Error(body)
	}
	tokens, err := capelib.ListTokens(context.Background(), s.plain())
	if err != nil || len(tokens) != 1 || tokens[0].Name != "n" || tokens[0].Expiry == nil || tokens[0].LastUsed != nil {
		t.Errorf("%+v %v", tokens, err)
	}
	_, err = capelib.CreateToken(context.Background(), s.plain(), capelib.TokenRequest{Function: "a/b"})
	wantError(t, err, capelib.CodeArgument, "argument.function")
}

func TestFailuresOfTheServiceAreTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status       int
		body         string
		code         capelib.Code
		reason, says string
	}{
		"expired":   {401, `{"error":"token is expired"}`, capelib.CodeAuth, "auth.rejected", "token is expired"},
		"forbidden": {403, `no JSON`, capelib.CodeAuth, "auth.rejected", "refused the token"},
		"echoed":    {401, `{"error":"bad token header.payload.signature"}`, capelib.CodeAuth, "auth.rejected", "bad token [token]"},
		"no route":  {404, `404 page not found`, capelib.CodeConnect, "connect.route", "/v1/tokens"},
		"broken":    {500, `{"message":"disk full"}`, capelib.CodeConnect, "connect.status", "disk full"},
		"redirect":  {302, ``, capelib.CodeConnect, "connect.status", "redirects"},
		"no list":   {200, `{"error":"?"}`, capelib.CodeProtocol, "protocol.json", ""},
		"too long":  {200, strings.Repeat(" ", 9<<20), capelib.CodeLimit, "limit.reply", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startService(t)
			s.says("GET /v1/tokens", c.status, c.body, nil)
			_, err := capelib.ListTokens(context.Background(), s.plain())
			if failure := wantError(t, err, c.code, c.reason); !strings.Contains(failure.Message, c.says) {
				t.Error(failure.Message)
			}
		})
	}
	s := startService(t)
	s.routes.HandleFunc("/v1/tokens", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) })
	o := s.plain()
	o.Token = ""
	_, err := capelib.ListTokens(context.Background(), o)
	if failure := wantError(t, err, capelib.CodeAuth, "auth.rejected"); !strings.Contains(failure.Message, "none was given") {
		t.Error(failure.Message)
	}
	o.URL = "http://192.0.2.1"
	_, err = capelib.ListTokens(context.Background(), o)
	wantError(t, err, capelib.CodeArgument, "argument.insecure_url")
}
