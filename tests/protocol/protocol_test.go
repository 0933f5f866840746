// Package protocol replays what each of the original clients sends, byte for byte, and looks at
// what the enclave answers as that client does.
package protocol

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/libcape/libcape/core/capekey"
	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/enclave/service"
	"github.com/libcape/libcape/core/enclave/store"
	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/wire"
)

// capeKey is made once: it takes a second and more.
var capeKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, capekey.KeyBits)
	if err != nil {
		panic(err)
	}
	return key
})

// world is an enclave with a service that wants tokens, and a function in it.
type world struct {
	url, token, id string
	checksum       []byte
}

func functionZip(t *testing.T, filler int) []byte {
	t.Helper()
	var into bytes.Buffer
	files := zip.NewWriter(&into)
	noise := make([]byte, filler)
	_, _ = rand.Read(noise)
	for name, content := range map[string][]byte{"echo/app.py": []byte("def cape_handler(x):\n    return x\n"), "echo/noise": noise} {
		w, err := files.Create(name)
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	return into.Bytes()
}

func capeCiphertext(t *testing.T, data []byte) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&capeKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := capekey.Encrypt(der, data)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func start(t *testing.T) *world {
	t.Helper()
	python := os.Getenv("CAPE_PYTHON")
	if python == "" {
		var err error
		if python, err = exec.LookPath("python3"); err != nil {
			t.Skip("needs a python3 in PATH, or CAPE_PYTHON")
		}
	}
	kept, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kept.Close() })
	der, err := x509.MarshalPKCS8PrivateKey(capeKey())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kept.PutKey("cape/ada", der); err != nil {
		t.Fatal(err)
	}
	s, err := service.New(service.Options{Store: kept, Auth: true})
	if err != nil {
		t.Fatal(err)
	}
	e, err := enclave.Start(enclave.Options{Service: s, Python: python, Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	token, err := s.CreateToken("ada", wire.TokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	code := functionZip(t, 10)
	sum := sha256.Sum256(code)
	id, err := s.Deploy(t.Context(), enclave.Caller{User: "ada"}, enclave.Deployment{Name: "echo", Checksum: sum, Code: bytes.NewReader(capeCiphertext(t, code))})
	if err != nil {
		t.Fatal(err)
	}
	return &world{e.Info().URL, token, id, sum[:]}
}

// client is one of the original clients: its handshake, with %ROUTE% and %TOKEN% to be put in, and
// its first message.
type client struct {
	handshake string
	scheme    string
	start     string
	nonce     string // what the document has to carry
	fragment  int    // bytes of its frames; 0: each message is one
}

const (
	python = "GET %ROUTE% HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
		"Sec-WebSocket-Protocol: %SCHEME%, %TOKEN%\r\nUser-Agent: Python/3.9 websockets/10.3\r\n\r\n"
	golang = "GET %ROUTE% HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Go-http-client/1.1\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %SCHEME%\r\nSec-WebSocket-Protocol: %TOKEN%\r\n" +
		"Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n\r\n"
	node = "GET %ROUTE% HTTP/1.1\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
		"Sec-WebSocket-Protocol: %SCHEME%,%TOKEN%\r\nHost: 127.0.0.1\r\n\r\n"
)

const (
	runtime  = "cape.runtime"
	function = "cape.function"
)

var clients = map[string]client{
	"pycape, August 2022":                        {python, runtime, `{"message": {"nonce": "31415926"}}`, "\xdf\x5e\x35\xe7\xdd\xba", 0},
	"pycape, August 2022, with a function token": {python, function, `{"message": {"nonce": "00000000"}}`, "\xd3\x4d\x34\xd3\x4d\x34", 0},
	"pycape 3.1.2":                               {python, runtime, `{"message": {"nonce": "MDEyMzQ1Njc4OTAxMjM0NQ=="}}`, "0123456789012345", 0},
	"pycape 2":                                   {python, function, `{"message": {"nonce": "27182818"}}`, "\xdb\xbd\x7c\xdb\xcd\x7c", 0},
	"the command line, May 2023":                 {golang, runtime, `{"message":{"nonce":"QUFFQ0F3UUZCZ2NJQ1FvTERBME9Edz09"},"metadata":{"function_authentication_type":""}}` + "\n", "AAECAwQFBgcICQoLDA0ODw==", 4082},
	"the command line, August 2022":              {golang, runtime, `{"message":{"auth_token":"eyJ","function_token":"","nonce":"QUFFQ0F3UUZCZ2NJQ1FvTERBME9Edz09"}}` + "\n", "AAECAwQFBgcICQoLDA0ODw==", 4082},
	"the command line with a function token":     {golang, function, `{"message":{"nonce":"QUFFQ0F3UUZCZ2NJQ1FvTERBME9Edz09"},"metadata":{"function_authentication_type":"function_token"}}` + "\n", "AAECAwQFBgcICQoLDA0ODw==", 4082},
	"cape-js":                                    {node, runtime, `{"message":{"nonce":"AAECAwQFBgcICQoL"}}`, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b", 0},
	"cape-js with a function token":              {node, function, `{"message":{"nonce":"AAECAwQFBgcICQoL"}}`, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b", 0},
}

func (c client) request(route, token string) string {
	return strings.NewReplacer("%ROUTE%", route, "%SCHEME%", c.scheme, "%TOKEN%", token).Replace(c.handshake)
}

// begin opens a session as this client does, and returns the payload of its document.
func (c client) begin(t *testing.T, w *world, route, token string) (*peer, payload) {
	t.Helper()
	p := dial(t, w.url)
	p.upgrade(c.request(route, token), c.scheme)
	p.message(text, []byte(c.start), c.fragment)
	return p, c.document(t, p.text())
}

// text returns the next message, which is text.
func (p *peer) text() []byte {
	p.t.Helper()
	opcode, message := p.next()
	if opcode != text {
		p.t.Fatalf("a message with the opcode %d", opcode)
	}
	return message
}

// payload is that of an attestation document, strictly as clients read it.
type payload struct {
	ModuleID    string         `cbor:"module_id"`
	Digest      string         `cbor:"digest"`
	Timestamp   uint64         `cbor:"timestamp"`
	PCRs        map[int][]byte `cbor:"pcrs"`
	Certificate []byte         `cbor:"certificate"`
	CABundle    [][]byte       `cbor:"cabundle"`
	PublicKey   []byte         `cbor:"public_key"`
	UserData    []byte         `cbor:"user_data"`
	Nonce       []byte         `cbor:"nonce"`
}

func (c client) document(t *testing.T, message []byte) payload {
	t.Helper()
	match := regexp.MustCompile(`^{"message":{"message":"([A-Za-z0-9+/]+={0,2})","type":"attestation_doc"}}$`).FindSubmatch(message)
	if match == nil {
		t.Fatalf("the answer to the nonce is %.200s", message)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(string(match[1]))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(raw, []byte("\x84\x44\xa1\x01\x38\x22\xa0")) {
		t.Errorf("the document begins with %x", raw[:7])
	}
	var outer []cbor.RawMessage
	var body []byte
	var p payload
	if err := cbor.Unmarshal(raw, &outer); err != nil || len(outer) != 4 {
		t.Fatalf("%d elements: %v", len(outer), err)
	}
	if err := cbor.Unmarshal(outer[2], &body); err != nil {
		t.Fatal(err)
	}
	if err := cbor.Unmarshal(body, &p); err != nil {
		t.Fatal(err)
	}
	if string(p.Nonce) != c.nonce {
		t.Errorf("the nonce is %x, want %x", p.Nonce, c.nonce)
	}
	if len(p.PublicKey) != hpke.KeySize || p.Digest != "SHA384" || len(p.PCRs) != 16 || len(p.CABundle) < 2 || p.UserData == nil {
		t.Errorf("the document is not as clients want it: %d bytes of key, %s, %d PCRs, %d certificates", len(p.PublicKey), p.Digest, len(p.PCRs), len(p.CABundle))
	}
	root, err := x509.ParseCertificate(p.CABundle[0])
	if err != nil || root.CheckSignatureFrom(root) != nil {
		t.Errorf("the first of the cabundle is not the root: %v", err)
	}
	return p
}

// invoke sends an input of five bytes, as clients seal it, and looks at the result.
func (c client) invoke(t *testing.T, p *peer, key []byte) {
	t.Helper()
	sealed, err := hpke.Seal(key, []byte("hello"))
	if err != nil || len(sealed) != 53 {
		t.Fatalf("%d bytes, %v", len(sealed), err)
	}
	p.message(binaryFrame, sealed, c.fragment)
	var reply map[string]json.RawMessage
	if err := json.Unmarshal(p.text(), &reply); err != nil {
		t.Fatal(err)
	}
	if _, there := reply["error"]; there {
		t.Fatalf("the result has an error: %s", reply["error"])
	}
	var result struct {
		Type      string
		Message   *string
		Checksums map[string]string
		Signed    string `json:"signed_checksums"`
	}
	if err := json.Unmarshal(reply["message"], &result); err != nil {
		t.Fatal(err)
	}
	const sum = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
	if result.Type != "function_result" || result.Message == nil || *result.Message != "aGVsbG8=" ||
		result.Checksums["input"] != sum || result.Checksums["output"] != sum || len(result.Checksums) != 3 || len(result.Signed) != 344 {
		t.Errorf("the result is %+v", result)
	}
}

func TestEachClientRunsAFunction(t *testing.T) {
	t.Parallel()
	w := start(t)
	for name, c := range clients {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, route := range []string{"/v1/run/" + w.id, "//v1/run/" + w.id, "/v1/run/ada/echo"} {
				p, document := c.begin(t, w, route, w.token)
				encoded := base64.StdEncoding.EncodeToString(w.checksum)
				want := `^{"func_checksum":"` + regexp.QuoteMeta(encoded) + `","func_hash":"` + regexp.QuoteMeta(encoded) + `","signature_verification_public_key":"[A-Za-z0-9+/]+=*"}$`
				if !regexp.MustCompile(want).Match(document.UserData) {
					t.Errorf("user_data is %s", document.UserData)
				}
				c.invoke(t, p, document.PublicKey)
				p.send(frame(ping, true, []byte("alive")))
				if opcode, data := p.next(); opcode != pong || string(data) != "alive" {
					t.Errorf("the ping is answered with %d %q", opcode, data)
				}
				c.invoke(t, p, document.PublicKey)
				// Python closes with 1000 and waits; the browser's way is a close without a code.
				bye := []byte{0x03, 0xe8}
				if c.handshake == node {
					bye = nil
				}
				p.send(frame(closing, true, bye))
				if opcode, data := p.next(); opcode != closing || !bytes.Equal(data, bye) {
					t.Errorf("the close is answered with %d %x", opcode, data)
				}
				p.wantGone()
			}
		})
	}
}

func TestRefusedTokensAreAnsweredInHTTP(t *testing.T) {
	t.Parallel()
	w := start(t)
	for name, c := range clients {
		p := dial(t, w.url)
		p.send([]byte(c.request("/v1/run/"+w.id, "no-token-of-anybody")))
		head, err := p.from.ReadString('\n')
		if err != nil || head != "HTTP/1.1 401 Unauthorized\r\n" {
			t.Errorf("%s: %q, %v", name, head, err)
		}
		rest := new(strings.Builder)
		if _, err := p.from.WriteTo(rest); err != nil {
			t.Error(err)
		}
		_, body, _ := strings.Cut(rest.String(), "\r\n\r\n")
		var said map[string]string
		if err := json.Unmarshal([]byte(body), &said); err != nil || said["error"] == "" || len(body) >= 1024 || strings.Contains(rest.String(), "Location:") {
			t.Errorf("%s: %s", name, rest)
		}
	}
}

func TestEachClientDeploys(t *testing.T) {
	t.Parallel()
	w := start(t)
	code := functionZip(t, 100_000) // some dozens of fragments
	now, before := clients["the command line, May 2023"], clients["the command line, August 2022"]
	sealed := func([]byte) []byte { return capeCiphertext(t, code) }
	session := func(key []byte) []byte {
		data, err := hpke.Seal(key, code)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for name, c := range map[string]struct {
		client  client
		message string
		code    func(key []byte) []byte
	}{
		"May 2023":       {now, `{"message":{"function_name":"new","public":false}}` + "\n", sealed},
		"September 2022": {before, `{"message":{"function_token_pk":"","function_name":"old"}}` + "\n", sealed},
		"August 2022":    {before, `{"message":{"function_token_pk":""}}` + "\n", session},
	} {
		p, document := c.client.begin(t, w, "/v1/deploy", w.token)
		// The key is asked for while the deployment stays open.
		other, key := c.client.begin(t, w, "/v1/key", w.token)
		var data map[string][]byte
		if err := json.Unmarshal(key.UserData, &data); err != nil || len(data) != 1 || len(data["key"]) != 550 {
			t.Errorf("%s: user_data of the key is %.100s", name, key.UserData)
		}
		other.send(frame(closing, true, []byte{0x03, 0xe8}))
		_ = other.conn.Close()

		p.message(text, []byte(c.message), c.client.fragment)
		p.message(binaryFrame, c.code(document.PublicKey), c.client.fragment)
		match := regexp.MustCompile(`^{"message":{"id":"([23456789A-HJ-NP-Za-km-z]{22})"}}$`).FindSubmatch(p.text())
		if match == nil {
			t.Fatalf("%s: no id", name)
		}
		p.send(frame(closing, true, []byte{0x03, 0xe8}))
		_ = p.conn.Close() // as this client does

		p, document = c.client.begin(t, w, "/v1/run/"+string(match[1]), w.token)
		c.client.invoke(t, p, document.PublicKey)
	}
}

func TestTheCommandLineTestsAFunction(t *testing.T) {
	t.Parallel()
	w := start(t)
	c := clients["the command line, May 2023"]
	p, document := c.begin(t, w, "/v1/test", w.token)
	sealed, err := hpke.Seal(document.PublicKey, functionZip(t, 100_000))
	if err != nil {
		t.Fatal(err)
	}
	p.message(binaryFrame, sealed, c.fragment)
	c.invoke(t, p, document.PublicKey)
}

// TestAnEmptyTokenIsOneOfAnEnclaveThatTakesAny is for 'cape test', which sends an empty second line.
func TestAnEmptyTokenIsOneOfAnEnclaveThatTakesAny(t *testing.T) {
	t.Parallel()
	e, err := enclave.Start(enclave.Options{Functions: []enclave.Function{{
		Name: "echo", Handler: handler,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	w := &world{url: e.Info().URL}
	c := clients["the command line, May 2023"]
	p, document := c.begin(t, w, "/v1/run/local/echo", "")
	c.invoke(t, p, document.PublicKey)
}

func TestAFailureIsToldInTheSessionWhichGoesOn(t *testing.T) {
	t.Parallel()
	w := start(t)
	for name, c := range clients {
		p, document := c.begin(t, w, "/v1/run/"+w.id, w.token)
		p.message(binaryFrame, bytes.Repeat([]byte("x"), 60), c.fragment)
		if reply := p.text(); !regexp.MustCompile(`^{"error":"[^"]+"}$`).Match(reply) {
			t.Errorf("%s: %s", name, reply)
		}
		c.invoke(t, p, document.PublicKey)
	}
}

func TestAnIdleSessionEndsWith1000(t *testing.T) {
	t.Parallel()
	e, err := enclave.Start(enclave.Options{
		IdleTimeout: 200 * time.Millisecond,
		Functions:   []enclave.Function{{Name: "echo", Handler: handler}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c := clients["pycape 3.1.2"]
	p, _ := c.begin(t, &world{url: e.Info().URL}, "/v1/run/local/echo", "any")
	opcode, data := p.next()
	if opcode != closing || !slices.Equal(data[:min(2, len(data))], []byte{0x03, 0xe8}) {
		t.Errorf("the session ends with %d %x", opcode, data)
	}
}

func handler(_ context.Context, input []byte) ([]byte, error) { return input, nil }
