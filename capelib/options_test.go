package capelib_test

import (
	"context"
	"strings"
	"testing"

	"github.com/libcape/libcape/capelib"
)

const anyPolicy = `"url":"ws://127.0.0.1:1","function":"a/b","policy":"any"`

func TestParseOptionsIsStrict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ json, reason string }{
		"nothing":        {``, "argument.options"},
		"not JSON":       {`url`, "argument.options"},
		"an array":       {`[]`, "argument.options"},
		"trailing":       {`{} {}`, "argument.options"},
		"unknown name":   {`{"urI":"x"}`, "argument.options"},
		"other case":     {`{"URL":"x"}`, "argument.options"},
		"twice":          {`{"url":"x","url":"y"}`, "argument.options"},
		"wrong type":     {`{"url":5}`, "argument.options"},
		"not UTF-8":      {"{\"url\":\"\xff\"}", "argument.options"},
		"negative time":  {`{"timeout_ms":-1}`, "argument.options"},
		"huge time":      {`{"timeout_ms":4294967296}`, "argument.options"},
		"deep":           {strings.Repeat("[", 10_000), "argument.options"},
		"policy unknown": {`{"policy":{"pcr":{"0":["00"]}}}`, "argument.policy"},
		"policy empty":   {`{"policy":{}}`, "argument.policy_empty"},
		"policy none":    {`{"policy":"none"}`, "argument.policy"},
	} {
		_, err := capelib.ParseOptions([]byte(c.json))
		failure := capelib.AsError(err)
		if failure == nil || failure.Code != capelib.CodeArgument || failure.Reason != c.reason {
			t.Errorf("%s gives %+v, not %s", name, failure, c.reason)
		}
	}
}

func TestConnectRefusesOptionsThatCannotBeMeant(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ json, reason string }{
		"no policy":          {`{"url":"ws://127.0.0.1:1","function":"a/b"}`, "argument.policy_missing"},
		"no url":             {`{"function":"a/b","policy":"any"}`, "argument.url"},
		"no scheme":          {`{"url":"enclave.example.com","function":"a/b","policy":"any"}`, "argument.url"},
		"another scheme":     {`{"url":"ftp://h","function":"a/b","policy":"any"}`, "argument.url"},
		"no host":            {`{"url":"wss://","function":"a/b","policy":"any"}`, "argument.url"},
		"user":               {`{"url":"wss://u:p@h","function":"a/b","policy":"any"}`, "argument.url"},
		"query":              {`{"url":"wss://h/?x=1","function":"a/b","policy":"any"}`, "argument.url"},
		"port":               {`{"url":"wss://h:70000","function":"a/b","policy":"any"}`, "argument.url"},
		"no function":        {`{"url":"wss://h","policy":"any"}`, "argument.function"},
		"dots":               {`{"url":"wss://h","function":"../b","policy":"any"}`, "argument.function"},
		"three parts":        {`{"url":"wss://h","function":"a/b/c","policy":"any"}`, "argument.function"},
		"empty part":         {`{"url":"wss://h","function":"a/","policy":"any"}`, "argument.function"},
		"percent":            {`{"url":"wss://h","function":"a%2fb","policy":"any"}`, "argument.function"},
		"token with newline": {`{` + anyPolicy + `,"token":"abc\n"}`, "argument.token"},
		"token with comma":   {`{` + anyPolicy + `,"token":"a,b"}`, "argument.token"},
		"token type":         {`{` + anyPolicy + `,"token":"a","token_type":"other"}`, "argument.token"},
		"roots":              {`{` + anyPolicy + `,"attestation_roots":"no PEM"}`, "argument.roots"},
		"empty roots":        {`{` + anyPolicy + `,"attestation_roots":""}`, "argument.roots"},
		"empty authorities":  {`{` + anyPolicy + `,"tls_ca":""}`, "argument.tls_ca"},
		"authorities":        {`{` + anyPolicy + `,"tls_ca":"no PEM"}`, "argument.tls_ca"},
		"proxy":              {`{` + anyPolicy + `,"proxy":"socks5://h"}`, "argument.proxy"},
		"plaintext":          {`{"url":"ws://192.0.2.1","function":"a/b","policy":"any"}`, "argument.insecure_url"},
		"plaintext by http":  {`{"url":"http://192.0.2.1:80","function":"a/b","policy":"any"}`, "argument.insecure_url"},
	} {
		o, err := capelib.ParseOptions([]byte(c.json))
		if err == nil {
			_, err = capelib.Connect(context.Background(), o)
		}
		failure := capelib.AsError(err)
		if failure == nil || failure.Code != capelib.CodeArgument || failure.Reason != c.reason {
			t.Errorf("%s gives %+v, not %s", name, failure, c.reason)
		}
		if failure != nil && strings.Contains(failure.Message, "abc") {
			t.Errorf("%s: the token is in %q", name, failure.Message)
		}
	}
}

func TestParseOptionsReadsEveryName(t *testing.T) {
	t.Parallel()
	o, err := capelib.ParseOptions([]byte(`{"url":"u","function":"f","token":"t","token_type":"function",
		"attestation_roots":"r","tls_ca":"c","policy":{"any":true,"allow_debug":true},"insecure_ws":true,"proxy":"p","timeout_ms":5,"reconnect":true,"signed_results":true}`))
	if err != nil {
		t.Fatal(err)
	}
	if o.URL != "u" || o.Function != "f" || o.Token != "t" || o.TokenType != capelib.FunctionToken ||
		string(o.AttestationRoots) != "r" || string(o.TLSCA) != "c" || !o.Policy.Any || !o.Policy.AllowDebug ||
		!o.InsecureWS || o.Proxy != "p" || o.Timeout.Milliseconds() != 5 || !o.Reconnect || !o.SignedResults {
		t.Errorf("%+v", o)
	}
}
