package capelib_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/capekey"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

func statingKey(der []byte) string {
	return `{"key":"` + base64.StdEncoding.EncodeToString(der) + `"}`
}

func TestKeyIsTheOneThatTheEnclaveAttests(t *testing.T) {
	t.Parallel()
	s := startService(t)
	s.attested("/v1/key", statingKey(capeKeyDER(t)), func(conn *transport.Conn, offered []string) {
		if len(offered) != 2 || offered[0] != "cape.runtime" || offered[1] != "header.payload.signature" {
			t.Errorf("offered %q", offered)
		}
		untilClosed(conn, nil)
	})
	key, report, err := capelib.Key(context.Background(), s.options())
	if err != nil || !bytes.Equal(key, capeKeyDER(t)) || report.Verdict != "accepted" {
		t.Fatalf("%x %+v %v", key, report, err)
	}
	text, err := capelib.Encrypt(key, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if plaintext, err := capekey.Decrypt(capeKey(), text); err != nil || string(plaintext) != "hello" || !strings.HasPrefix(string(text), "cape:") {
		t.Errorf("%q %v", plaintext, err)
	}
	_, err = capelib.Encrypt(key[1:], nil)
	wantError(t, err, capelib.CodeArgument, "argument.key")
}

func TestKeyIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		userData string
		change   func(*capelib.Options)
		code     capelib.Code
		reason   string
	}{
		"none":       {``, nil, capelib.CodeProtocol, "protocol.json"},
		"not stated": {`{"func_checksum":"AA=="}`, nil, capelib.CodeProtocol, "protocol.message"},
		"no key":     {statingKey([]byte("key")), nil, capelib.CodeAttestation, "key.unusable"},
		"another enclave": {statingKey(capeKeyDER(t)), func(o *capelib.Options) { o.Policy.PCRs[0] = [][]byte{bytes.Repeat([]byte{1}, 48)} },
			capelib.CodePolicy, "policy.pcr_mismatch"},
		"another root":   {statingKey(capeKeyDER(t)), func(o *capelib.Options) { o.AttestationRoots = nil }, capelib.CodeAttestation, "chain.root"},
		"without policy": {statingKey(capeKeyDER(t)), func(o *capelib.Options) { o.Policy = nil }, capelib.CodeArgument, "argument.policy_missing"},
		"a function's checksum": {statingKey(capeKeyDER(t)), func(o *capelib.Options) { o.Policy.FunctionChecksum = make([]byte, 32) },
			capelib.CodePolicy, "policy.function_checksum_missing"},
		"a bad token": {statingKey(capeKeyDER(t)), func(o *capelib.Options) { o.Token = "a b" }, capelib.CodeArgument, "argument.token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startService(t)
			s.attested("/v1/key", c.userData, untilClosed)
			o := s.options()
			if c.change != nil {
				c.change(&o)
			}
			key, _, err := capelib.Key(context.Background(), o)
			failure := wantError(t, err, c.code, c.reason)
			if key != nil || c.code == capelib.CodePolicy && failure.Report == nil {
				t.Errorf("%x, the report is %v", key, failure.Report)
			}
		})
	}
}

func TestARouteThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	_, _, err := capelib.Key(context.Background(), startService(t).options())
	failure := wantError(t, err, capelib.CodeConnect, "connect.route")
	if !strings.Contains(failure.Message, "/v1/key") {
		t.Error(failure.Message)
	}
}

func TestUserKeyIsTakenFromAnOldDocument(t *testing.T) {
	t.Parallel()
	s := startService(t)
	signed := time.Now().Add(-90 * 24 * time.Hour)
	s.routes.HandleFunc("GET /v1/user/ann/key", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token was shown")
		}
		_, _ = w.Write(wire.EncodeUserKey(s.document([]byte("0123456789abcdef"), []byte(statingKey(capeKeyDER(t))), signed)))
	})
	key, report, err := capelib.UserKey(context.Background(), s.options(), "ann")
	if err != nil || !bytes.Equal(key, capeKeyDER(t)) || report.TimestampMS != signed.UnixMilli() {
		t.Fatalf("%x %+v %v", key, report, err)
	}
	o := s.options()
	o.Policy.MaxAge = time.Hour
	_, _, err = capelib.UserKey(context.Background(), o, "ann")
	wantError(t, err, capelib.CodeAttestation, "time.too_old")
	o = s.options()
	o.AttestationRoots = nil
	_, _, err = capelib.UserKey(context.Background(), o, "ann")
	if failure := wantError(t, err, capelib.CodeAttestation, "chain.root"); failure.Report == nil {
		t.Error("there is no report")
	}
}

func TestUserKeyTellsWhatTheServiceSays(t *testing.T) {
	t.Parallel()
	s := startService(t)
	answer := func(user string, status int, body string) {
		s.routes.HandleFunc("/v1/user/"+user+"/key", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
	}
	answer("nobody", 404, `{"error":"no such user","message":"no such user"}`)
	answer("said", 200, `{"error":"not today"}`)
	answer("html", 200, `<html>`)
	answer("empty", 200, `{}`)
	answer("huge", 200, strings.Repeat(" ", 1<<20))
	answer("moved", 307, ``)
	for user, c := range map[string]struct {
		code         capelib.Code
		reason, says string
	}{
		"nobody": {capelib.CodeConnect, "connect.not_found", "no such user"},
		"said":   {capelib.CodeConnect, "connect.enclave_error", "not today"},
		"html":   {capelib.CodeProtocol, "protocol.json", ""},
		"empty":  {capelib.CodeProtocol, "protocol.message", ""},
		"huge":   {capelib.CodeLimit, "limit.reply", ""},
		"moved":  {capelib.CodeConnect, "connect.status", "redirects"},
		"../x":   {capelib.CodeArgument, "argument.function", "user"},
		"a/b":    {capelib.CodeArgument, "argument.function", "user"},
		"":       {capelib.CodeArgument, "argument.function", "user"},
	} {
		_, _, err := capelib.UserKey(context.Background(), s.options(), user)
		if failure := wantError(t, err, c.code, c.reason); !strings.Contains(failure.Message, c.says) {
			t.Errorf("%q: %s", user, failure.Message)
		}
	}
}
