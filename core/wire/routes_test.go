package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestDeploymentsOfEveryClientAreRead(t *testing.T) {
	t.Parallel()
	for frame, want := range map[string]Deployment{
		string(EncodeDeployment(Deployment{Name: "echo", Public: true})):             {Name: "echo", Public: true},
		`{"message":{"function_name":"echo","public":false}}` + "\n":                 {Name: "echo"},
		`{"message":{"function_token_pk":"-----BEGIN"}}`:                             {TokenKey: "-----BEGIN"},
		`{"message":{"function_token_pk":""}}`:                                       {Public: true},
		`{"message":{"function_name":"echo","function_token_pk":"","x":1}}`:          {Name: "echo", Public: true},
		`{"message":{"function_name":"echo","public":false,"function_token_pk":""}}`: {Name: "echo"},
		`{"message":{"function_name":"echo","public":null,"function_token_pk":"P"}}`: {Name: "echo", TokenKey: "P"},
		`{"message":{"function_name":null}}`:                                         {},
	} {
		if got, err := DecodeDeployment([]byte(frame)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", frame, got, err)
		}
	}
	if got := string(EncodeDeployment(Deployment{Name: "echo"})); got != `{"message":{"function_name":"echo","public":false}}` {
		t.Error(got)
	}
}

func TestAnswersToADeploymentAreRead(t *testing.T) {
	t.Parallel()
	if id, err := DecodeDeployed(EncodeDeployed("HV2qsP5hWcXDMwGMqNTJ7Z")); err != nil || id != "HV2qsP5hWcXDMwGMqNTJ7Z" {
		t.Errorf("%q, %v", id, err)
	}
	var said *ServerError
	if _, err := DecodeDeployed(EncodeError("the name is taken")); !errors.As(err, &said) || said.Text != "the name is taken" {
		t.Error(err)
	}
}

func TestBadMessagesOfTheRoutesAreRefused(t *testing.T) {
	t.Parallel()
	deployment := func(frame []byte) error { _, err := DecodeDeployment(frame); return err }
	deployed := func(frame []byte) error { _, err := DecodeDeployed(frame); return err }
	key := func(frame []byte) error { _, err := DecodeKey(frame); return err }
	userKey := func(frame []byte) error { _, err := DecodeUserKey(frame); return err }
	token := func(frame []byte) error { _, err := DecodeToken(frame); return err }
	for _, c := range []struct {
		decode        func([]byte) error
		frame, reason string
	}{
		{deployment, `{}`, "protocol.message"},
		{deployment, `{"message":{"function_name":5}}`, "protocol.message"},
		{deployment, `{"message":{"public":"true"}}`, "protocol.message"},
		{deployment, `{"message":{"public":true,"public":false}}`, "protocol.json"},
		{deployed, `{"message":{}}`, "protocol.message"},
		{deployed, `{"message":{"id":""}}`, "protocol.message"},
		{deployed, `{"message":{"id":"` + strings.Repeat("x", 129) + `"}}`, "protocol.message"},
		{key, ``, "protocol.json"},
		{key, `{"key":"AA==","key":"AQ=="}`, "protocol.json"},
		{key, `{"key":"AA=="} ` + `x`, "protocol.json"},
		{key, `{"Key":"AA=="}`, "protocol.message"},
		{key, `{"key":null}`, "protocol.message"},
		{key, `{"key":"AA"}`, "protocol.base64"},
		{userKey, `[]`, "protocol.json"},
		{userKey, `{}`, "protocol.message"},
		{userKey, `{"attestation_document":""` + `,"error":{}}`, "protocol.message"},
		{userKey, `{"attestation_document":"%"}`, "protocol.base64"},
		{token, `"x"`, "protocol.json"},
		{token, `{}`, "protocol.message"},
		{token, `{"token":1}`, "protocol.message"},
	} {
		var broken *Error
		if err := c.decode([]byte(c.frame)); !errors.As(err, &broken) || broken.Reason != c.reason {
			t.Errorf("%s gives %v, not %s", c.frame, err, c.reason)
		}
	}
}

func TestKeysAreRead(t *testing.T) {
	t.Parallel()
	if key, err := DecodeKey([]byte(`{"func_checksum":"AA==","key":"AQI="}`)); err != nil || !bytes.Equal(key, []byte{1, 2}) {
		t.Errorf("%x, %v", key, err)
	}
	if document, err := DecodeUserKey(EncodeUserKey([]byte{7})); err != nil || !bytes.Equal(document, []byte{7}) {
		t.Errorf("%x, %v", document, err)
	}
	var said *ServerError
	for _, body := range []string{`{"error":"no such user","attestation_document":"AA=="}`, `{"error":null,"message":"no such\nuser"}`} {
		if _, err := DecodeUserKey([]byte(body)); !errors.As(err, &said) || said.Text != "no such user" {
			t.Errorf("%s gives %v", body, err)
		}
	}
}

func TestRESTFailuresAreTold(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		string(EncodeRESTError("no such\nfunction")): "no such function",
		`{"message":"only this"}`:                    "only this",
		`{"error":"","message":"only this"}`:         "only this",
		`<html>`:                                     "",
		`{"error":5}`:                                "",
	} {
		if got := DecodeRESTError([]byte(body)); got != want {
			t.Errorf("%s gives %q", body, got)
		}
	}
}

func TestListsAreRead(t *testing.T) {
	t.Parallel()
	list, err := DecodeList[FunctionRecord]([]byte(`[{"id":"a","name":"echo","created_at":"2026-01-31T12:00:00.5Z","new":1}]`))
	if err != nil || len(list) != 1 || list[0].Name != "echo" || !list[0].CreatedAt.Equal(time.Date(2026, 1, 31, 12, 0, 0, 500_000_000, time.UTC)) {
		t.Errorf("%+v, %v", list, err)
	}
	for _, body := range []string{`{}`, `[5]`, `[{"created_at":"yesterday"}]`, ``, `[] []`} {
		var broken *Error
		if _, err := DecodeList[FunctionRecord]([]byte(body)); !errors.As(err, &broken) || broken.Reason != "protocol.json" {
			t.Errorf("%s gives %v", body, err)
		}
	}
	if token, err := DecodeToken(EncodeToken("a.b.c")); err != nil || token != "a.b.c" {
		t.Errorf("%q, %v", token, err)
	}
}

// FuzzRoutes looks for what the decoders of the routes take and encoding/json, told the exact
// names, does not.
func FuzzRoutes(f *testing.F) {
	f.Add(EncodeDeployment(Deployment{Name: "echo", Public: true}))
	f.Add(EncodeDeployed("HV2qsP5hWcXDMwGMqNTJ7Z"))
	f.Add(EncodeUserKey([]byte{7}))
	f.Add(EncodeToken("a.b.c"))
	f.Add(EncodeRESTError("no"))
	f.Add([]byte(`{"key":"AQI="}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		_ = DecodeRESTError(frame)
		_, _ = DecodeList[TokenRecord](frame)
		var outer, inner map[string]json.RawMessage
		_ = json.Unmarshal(frame, &outer)
		_ = json.Unmarshal(outer["message"], &inner)
		text := func(raw json.RawMessage) (s string) { _ = json.Unmarshal(raw, &s); return s }
		if d, err := DecodeDeployment(frame); err == nil && (d.Name != text(inner["function_name"]) || d.TokenKey != text(inner["function_token_pk"])) {
			t.Fatalf("%+v", d)
		}
		if token, err := DecodeToken(frame); err == nil && token != text(outer["token"]) {
			t.Fatalf("%q", token)
		}
		var want []byte
		if key, err := DecodeKey(frame); err == nil && (json.Unmarshal(outer["key"], &want) != nil || !bytes.Equal(key, want)) {
			t.Fatalf("%x", key)
		}
		if document, err := DecodeUserKey(frame); err == nil && (json.Unmarshal(outer["attestation_document"], &want) != nil || !bytes.Equal(document, want)) {
			t.Fatalf("%x", document)
		}
		if id, err := DecodeDeployed(frame); err == nil && id != oneLine(text(inner["id"])) {
			t.Fatalf("%q", id)
		}
	})
}
