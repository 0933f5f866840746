package protocol

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/wire"
)

func TestEachClientRunsAFunction(t *testing.T) {
	t.Parallel()
	w := start(t, true)
	for name, c := range clients {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, route := range []string{"/v1/run/" + w.id, "//v1/run/" + w.id, "/v1/run/ada/echo"} {
				p, document := c.begin(t, w, route, w.token)
				signer := checkClaims(t, document.UserData, w.checksum)
				c.call(p, document, "hello", "hello", w.checksum, signer)
				p.send(frame(ping, true, []byte("\x00\x01\x02\x03")))
				if opcode, data := p.next(); opcode != pong || string(data) != "\x00\x01\x02\x03" {
					t.Errorf("the ping is answered with %d %q", opcode, data)
				}
				c.call(p, document, "", "", w.checksum, signer)
				c.end(p)
			}
		})
	}
}

func TestRefusedTokensAreAnsweredInHTTP(t *testing.T) {
	t.Parallel()
	w := start(t, true)
	soon := time.Now().Add(time.Hour)
	expired := w.tokenOf(t, "ada", wire.TokenRequest{Expiry: &soon})
	scoped := w.tokenOf(t, "ada", wire.TokenRequest{FunctionID: w.id})
	w.ahead.Store(int64(2 * time.Hour))
	for _, refused := range []struct{ route, token, status, text string }{
		{"/v1/run/" + w.id, "no-token-of-anybody", "401 Unauthorized", ""},
		{"/v1/run/" + w.id, "", "401 Unauthorized", ""},
		{"/v1/run/" + w.id, expired, "401 Unauthorized", "token is expired"}, // words that the command line looks for
		{"/v1/run/2222222222222222222222", w.token, "404 Not Found", ""},
		{"/v1/deploy", scoped, "403 Forbidden", ""},
		{"/v1/test", scoped, "403 Forbidden", ""},
		{"/v1/key", "no-token-of-anybody", "401 Unauthorized", ""},
	} {
		for name, c := range clients {
			p := dial(t, w.url)
			p.send([]byte(c.request(refused.route, refused.token)))
			head, err := p.from.ReadString('\n')
			if err != nil || head != "HTTP/1.1 "+refused.status+"\r\n" {
				t.Errorf("%s at %s: %q, %v", name, refused.route, head, err)
			}
			rest := new(strings.Builder)
			if _, err := p.from.WriteTo(rest); err != nil {
				t.Error(err)
			}
			headers, body, _ := strings.Cut(rest.String(), "\r\n\r\n")
			var said map[string]string
			if err := json.Unmarshal([]byte(body), &said); err != nil || len(said) != 2 || said["error"] == "" || said["error"] != said["message"] ||
				len(body) >= 1024 || strings.Contains(headers, "Location:") || !strings.Contains(said["error"], refused.text) {
				t.Errorf("%s at %s: %s", name, refused.route, rest)
			}
			if len(refused.token) > 0 && strings.Contains(rest.String(), refused.token) {
				t.Errorf("%s at %s: the answer repeats the token", name, refused.route)
			}
		}
	}
}

func TestAFailureIsToldInTheSessionWhichGoesOn(t *testing.T) {
	t.Parallel()
	w := start(t, true)
	for _, c := range clients {
		p, document := c.begin(t, w, "/v1/run/"+w.id, w.token)
		p.message(binaryFrame, bytes.Repeat([]byte("x"), 60), c.fragment) // sealed to nobody
		wantError(p)
		p.message(text, []byte("hello"), c.fragment)
		wantError(p)
		c.call(p, document, "hello", "hello", w.checksum, nil)
	}
}

// TestRepliesComeInTheOrderOfRequests is for cape-js, which tells them apart by nothing else.
func TestRepliesComeInTheOrderOfRequests(t *testing.T) {
	t.Parallel()
	w := start(t, true)
	c := clients[capejs]
	p, document := c.begin(t, w, "/v1/run/"+w.id, w.token)
	inputs := strings.Fields("one two three four five six seven eight")
	for _, input := range inputs {
		c.invoke(p, document.PublicKey, input)
	}
	for _, input := range inputs {
		wantResult(p, input, input, w.checksum)
	}
}

// TestPingsAreAnsweredWhileAFunctionRuns is for Python's client, which drops a connection that
// does not answer for 20 s.
func TestPingsAreAnsweredWhileAFunctionRuns(t *testing.T) {
	t.Parallel()
	running, goOn := make(chan struct{}), make(chan struct{})
	w := serveHandler(t, func(context.Context, []byte) ([]byte, error) {
		close(running)
		<-goOn
		return []byte("done"), nil
	})
	c := clients["pycape 3.1.1"]
	p, document := c.begin(t, w, "/v1/run/local/echo", "any")
	c.invoke(p, document.PublicKey, "hello")
	<-running
	p.send(frame(ping, true, []byte("\xde\xad\xbe\xef")))
	if opcode, data := p.next(); opcode != pong || string(data) != "\xde\xad\xbe\xef" {
		t.Errorf("the ping is answered with %d %x", opcode, data)
	}
	close(goOn)
	wantResult(p, "hello", "done", functionChecksum(t, document))
}

// functionChecksum is what a document says of its function.
func functionChecksum(t *testing.T, document payload) []byte {
	t.Helper()
	var claims struct {
		Checksum []byte `json:"func_checksum"`
	}
	if err := json.Unmarshal(document.UserData, &claims); err != nil {
		t.Fatal(err)
	}
	return claims.Checksum
}

func TestCapeCiphertextIsOpenedBeforeTheFunction(t *testing.T) {
	t.Parallel()
	w := start(t, true)
	raw := capeCiphertext(t, []byte("secret"))
	textForm := "cape:" + encode64(bytes.TrimPrefix(raw, []byte("cape:")))
	for name, sealed := range map[string]string{
		"cape-js and pycape":                   textForm,
		"the command line's output, in a file": textForm + "\n",
		"the raw form":                         string(raw),
	} {
		c := clients[cli]
		p, document := c.begin(t, w, "/v1/run/"+w.id, w.token)
		c.invoke(p, document.PublicKey, sealed)
		t.Log(name)
		wantResult(p, "secret", "secret", w.checksum) // the checksum is that of what the function saw
	}
}

// TestAClientThatDropsItsConnectionHarmsNobody is for the command line, which sends a close frame
// and drops the connection in the same moment.
func TestAClientThatDropsItsConnectionHarmsNobody(t *testing.T) {
	t.Parallel()
	w := start(t, true)
	c := clients[cli]
	for _, waits := range []bool{true, false} {
		for range 5 {
			p, document := c.begin(t, w, "/v1/run/"+w.id, w.token)
			c.invoke(p, document.PublicKey, "hello")
			if waits {
				wantResult(p, "hello", "hello", w.checksum)
			}
			p.send(frame(closing, true, []byte(normal)))
			if err := p.conn.(*net.TCPConn).SetLinger(0); err != nil { // a reset, where something is unread
				t.Fatal(err)
			}
			_ = p.conn.Close()
		}
	}
	p, document := c.begin(t, w, "/v1/run/"+w.id, w.token)
	c.call(p, document, "hello", "hello", w.checksum, nil)
	c.end(p)
}

func TestABadStartIsToldAndEndsTheSession(t *testing.T) {
	t.Parallel()
	w := serveHandler(t, echo)
	for name, start := range map[string]string{
		"before there were messages": `{"nonce":"` + goValue + `","auth_token":"any"}`,
		"no base64":                  `{"message":{"nonce":"a/b!"}}`,
		"no padding":                 `{"message":{"nonce":"AAECAwQFBgcICQoLDA0ODw"}}`,
		"no nonce":                   `{"message":{}}`,
	} {
		for _, c := range clients {
			if c.handshake == browser {
				continue // its page is of another machine, and any token is good here
			}
			p := dial(t, w.url)
			p.upgrade(c.request("/v1/run/local/echo", "any"), c.scheme)
			p.message(text, []byte(start), c.fragment)
			if message := p.text(); !regexp.MustCompile(`^{"error":".+"}$`).Match(message) || !json.Valid(message) {
				t.Errorf("%s: %s", name, message)
			}
			if opcode, data := p.next(); opcode != closing || string(data) != normal {
				t.Errorf("%s: the session ends with %d %x", name, opcode, data)
			}
		}
	}
}

func TestAnIdleSessionEndsWith1000(t *testing.T) {
	t.Parallel()
	w := serve(t, enclave.Options{
		IdleTimeout: 200 * time.Millisecond,
		Functions:   []enclave.Function{{Name: "echo", Handler: echo}},
	})
	for name, c := range clients {
		if c.handshake == browser {
			continue // its page is of another machine, and any token is good here
		}
		p, _ := c.begin(t, w, "/v1/run/local/echo", "any")
		if opcode, data := p.next(); opcode != closing || !strings.HasPrefix(string(data), normal) {
			t.Errorf("%s: the session ends with %d %x", name, opcode, data)
		}
	}
}
