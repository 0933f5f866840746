package enclave_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libcape/libcape/core/attest"
	"github.com/libcape/libcape/core/capekey"
	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

// capeKeys are made once: each takes a second and more.
var capeKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		var err error
		if keys[i], err = rsa.GenerateKey(rand.Reader, capekey.KeyBits); err != nil {
			panic(err)
		}
	}
	return keys
})

// memory is a service that keeps functions in memory. Tokens are users' names; "name:id" is for
// one function.
type memory struct {
	mu        sync.Mutex
	functions map[string]*enclave.Deployed
	seen      []enclave.Credential
	deployed  []enclave.Deployment
}

func (m *memory) Authorise(_ context.Context, c enclave.Credential) (enclave.Caller, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = append(m.seen, c)
	user, function, _ := strings.Cut(c.Token, ":")
	if user == "" {
		return enclave.Caller{}, &enclave.Refusal{Status: http.StatusUnauthorized, Text: "no token"}
	}
	return enclave.Caller{User: user, Function: function}, nil
}

func (m *memory) Lookup(_ context.Context, by enclave.Caller, reference string) (*enclave.Deployed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.functions[reference]; f != nil && f.Owner == by.User {
		return f, nil
	}
	return nil, &enclave.Refusal{Status: http.StatusNotFound, Text: "no such function"}
}

func (m *memory) Deploy(_ context.Context, by enclave.Caller, d enclave.Deployment) (string, error) {
	if d.Name == "broken" {
		return "", fmt.Errorf("a SECRET of the store")
	}
	code, err := io.ReadAll(d.Code)
	if err != nil {
		return "", err
	}
	d.Code = bytes.NewReader(code)
	m.mu.Lock()
	defer m.mu.Unlock()
	f := &enclave.Deployed{
		ID: "2222222222222222222222", Name: by.User + "/" + d.Name, Owner: by.User, Checksum: d.Checksum,
		Code: func() (io.ReadCloser, int64, error) {
			return io.NopCloser(bytes.NewReader(code)), int64(len(code)), nil
		},
	}
	m.functions = map[string]*enclave.Deployed{f.ID: f, f.Name: f}
	m.deployed = append(m.deployed, d)
	return f.ID, nil
}

// codeOf reads what is kept of a function.
func codeOf(t *testing.T, d enclave.Deployment) []byte {
	t.Helper()
	from := d.Code.(*bytes.Reader)
	code := make([]byte, from.Size())
	if _, err := from.ReadAt(code, 0); err != nil {
		t.Fatal(err)
	}
	return code
}

// kept are the functions that were deployed so far.
func (m *memory) kept() []enclave.Deployment {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.deployed
}

func (m *memory) Key(_ context.Context, user string) (*rsa.PrivateKey, error) {
	switch user {
	case "ada":
		return capeKeys()[0], nil
	case "bob":
		return capeKeys()[1], nil
	}
	return nil, &enclave.Refusal{Status: http.StatusNotFound, Text: "no such user"}
}

func (m *memory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusTeapot)
	_, _ = w.Write([]byte(r.Method + " " + r.URL.Path + "?" + r.URL.RawQuery))
}

func withService(t *testing.T) (*enclave.Enclave, *memory) {
	t.Helper()
	m := &memory{}
	return start(t, enclave.Options{
		Service: m, Python: interpreter(t), Functions: []enclave.Function{{Name: "echo", Handler: echo}},
	}), m
}

// visit opens a session on any route and returns it with its user_data.
func visit(t *testing.T, e *enclave.Enclave, route string, subprotocols ...string) (*client, string) {
	t.Helper()
	conn, err := dialError(e.Info(), route, subprotocols...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &client{Conn: conn, t: t, info: e.Info(), nonce: []byte("0123456789abcdef")}
	c.send(transport.Text, wire.EncodeStart(c.nonce))
	raw, err := wire.DecodeAttestation(c.text())
	if err != nil {
		t.Fatal(err)
	}
	roots, err := attest.ParseRoots(c.info.AttestationRoot)
	if err != nil {
		t.Fatal(err)
	}
	document, _, err := attest.Verify(raw, attest.Options{
		Roots: roots, Nonce: c.nonce, PublicKeyLength: hpke.KeySize, Policy: &attest.Policy{Any: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.key = document.PublicKey
	return c, string(document.UserData)
}

const reverse = "def cape_handler(data):\n    return data[::-1]\n"

// zipOf is a zip with these entries: names and contents in turn.
func zipOf(t *testing.T, entries ...string) []byte {
	t.Helper()
	var into bytes.Buffer
	files := zip.NewWriter(&into)
	for i := 0; i < len(entries); i += 2 {
		w, err := files.Create(entries[i])
		if err == nil {
			_, err = w.Write([]byte(entries[i+1]))
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

func encryptFor(t *testing.T, key *rsa.PrivateKey, data []byte) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := capekey.Encrypt(der, data)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// deploy does what a client does, and returns the answer.
func deploy(t *testing.T, e *enclave.Enclave, token, message string, code []byte) []byte {
	t.Helper()
	c, _ := visit(t, e, "/v1/deploy", "cape.runtime", token)
	c.send(transport.Text, []byte(message))
	c.send(transport.Binary, code)
	return c.text()
}

func run(t *testing.T, e *enclave.Enclave, reference, token string) *client {
	t.Helper()
	c, _ := visit(t, e, "/v1/run/"+reference, "cape.runtime", token)
	return c
}

func TestADeployedFunctionRunsByIDAndByName(t *testing.T) {
	t.Parallel()
	e, m := withService(t)
	code := encryptFor(t, capeKeys()[0], zipOf(t, "reverse/app.py", reverse, "reverse/more/data", "x", "__MACOSX/reverse/app.py", "no"))
	id, err := wire.DecodeDeployed(deploy(t, e, "ada", `{"message":{"function_name":"reverse","public":true}}`+"\n", code))
	if err != nil {
		t.Fatal(err)
	}
	if d := m.kept()[0]; !bytes.Equal(codeOf(t, d), code) || !d.Public || d.Name != "reverse" {
		t.Errorf("what is kept is %+v", d)
	}
	sum := sha256.Sum256(zipOf(t, "reverse/app.py", reverse, "reverse/more/data", "x", "__MACOSX/reverse/app.py", "no"))
	c, userData := visit(t, e, "/v1/run/"+id, "cape.function", "ada")
	if encoded := base64.StdEncoding.EncodeToString(sum[:]); strings.Count(userData, encoded) != 2 {
		t.Errorf("user_data is %s, without %s", userData, encoded)
	}
	c.wantCall("abc", "cba")
	run(t, e, "ada/reverse", "ada").wantCall("abc", "cba")
	run(t, e, id, "ada:"+id).wantCall("abc", "cba")
	for token, status := range map[string]string{"bob": "404", "ada:3333333333333333333333": "403", "": "401"} {
		if _, err := dialError(e.Info(), "/v1/run/"+id, "cape.runtime", token); err == nil || !strings.Contains(err.Error(), status) {
			t.Errorf("with the token %q: %v, want %s", token, err, status)
		}
	}
}

func TestOlderClientsSealTheFunctionToTheSession(t *testing.T) {
	t.Parallel()
	e, m := withService(t)
	c, _ := visit(t, e, "/v1/deploy", "cape.runtime", "ada")
	c.send(transport.Text, []byte(`{"message":{"function_token_pk":""}}`))
	zipped := zipOf(t, "app.py", reverse)
	c.request(zipped)
	id, err := wire.DecodeDeployed(c.text())
	if err != nil {
		t.Fatal(err)
	}
	kept := codeOf(t, m.kept()[0])
	if opened, err := capekey.Decrypt(capeKeys()[0], kept); err != nil || !bytes.Equal(opened, zipped) {
		t.Errorf("what is kept opens to %d bytes, %v", len(opened), err)
	}
	run(t, e, id, "ada").wantCall("abc", "cba")
}

func TestATestRunsAFunctionOnce(t *testing.T) {
	t.Parallel()
	e, m := withService(t)
	c, _ := visit(t, e, "/v1/test", "cape.function", "ada")
	zipped := zipOf(t, "x/app.py", reverse)
	c.request(zipped)
	c.request([]byte("abc"))
	result, err := c.reply()
	if err != nil || string(result.Output) != "cba" {
		t.Fatalf("%q, %v", result.Output, err)
	}
	if sum := sha256.Sum256(zipped); !bytes.Equal(result.Checksums.Function, sum[:]) {
		t.Errorf("the function's checksum is %s", hex.EncodeToString(result.Checksums.Function))
	}
	if len(m.kept()) != 0 {
		t.Error("the function is kept")
	}
}

func TestALocalEnclaveTestsFunctionsWithoutAToken(t *testing.T) {
	t.Parallel()
	e := start(t, python(t, reverse))
	c, _ := visit(t, e, "/v1/test", "cape.runtime", "")
	c.request(zipOf(t, "x/app.py", reverse))
	c.wantCall("abc", "cba")
}

func TestCapeCiphertextIsOpenedBeforeTheFunctionSeesIt(t *testing.T) {
	t.Parallel()
	key := capeKeys()[0]
	e := start(t, enclave.Options{Key: key, Functions: []enclave.Function{{Name: "echo", Handler: echo}}})
	c := connect(t, e)
	raw := encryptFor(t, key, []byte("secret"))
	text := "cape:" + base64.StdEncoding.EncodeToString(raw[len("cape:"):])
	for _, input := range []string{string(raw), text, text + "\n", "cape: " + text[len("cape:"):]} {
		c.wantCall(input, "secret")
	}
	c.request([]byte(text))
	if result, err := c.reply(); err != nil || base64.StdEncoding.EncodeToString(result.Checksums.Input) != sumText("secret") {
		t.Errorf("the input's checksum is %x, %v", result.Checksums, err)
	}
	raw[len(raw)-1] ^= 1
	c.wantError(string(raw), "cannot be decrypted")
	c.wantError("cape:", "cannot be decrypted")
	c.wantError(string(encryptFor(t, capeKeys()[1], []byte("of another user"))), "cannot be decrypted")
	c.wantCall("in the middle of "+text, "in the middle of "+text)
}

// wantKey takes the key out of user_data, which has nothing else in it.
func wantKey(t *testing.T, userData string, want *rsa.PrivateKey) {
	t.Helper()
	var data map[string][]byte
	if err := json.Unmarshal([]byte(userData), &data); err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&want.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) != 1 || !bytes.Equal(data["key"], der) || len(der) != 550 {
		t.Errorf("user_data is %.100s, with a key of %d bytes", userData, len(data["key"]))
	}
}

func TestTheKeyRouteAttestsTheCallersKey(t *testing.T) {
	t.Parallel()
	e, _ := withService(t)
	for i, user := range []string{"ada", "bob"} {
		_, userData := visit(t, e, "//v1/key", "cape.function", user)
		wantKey(t, userData, capeKeys()[i])
	}
}

func TestAnyoneMayReadAUsersKey(t *testing.T) {
	t.Parallel()
	e, _ := withService(t)
	response, body := ask(t, e.Info(), "GET //v1/user/bob/key HTTP/1.1\r\nHost: h\r\n")
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", response.Status, body)
	}
	raw, err := wire.DecodeUserKey([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	roots, err := attest.ParseRoots(e.Info().AttestationRoot)
	if err != nil {
		t.Fatal(err)
	}
	document, _, err := attest.Verify(raw, attest.Options{Roots: roots, Policy: &attest.Policy{Any: true}})
	if err != nil || len(document.Nonce) != 16 {
		t.Fatalf("the document with the nonce %x: %v", document.Nonce, err)
	}
	wantKey(t, string(document.UserData), capeKeys()[1])
	if response, body := ask(t, e.Info(), "GET /v1/user/nobody/key HTTP/1.1\r\nHost: h\r\n"); response.StatusCode != 404 || !strings.Contains(body, "no such user") {
		t.Errorf("%s %s", response.Status, body)
	}
}

func TestOtherRoutesAreTheServices(t *testing.T) {
	t.Parallel()
	e, m := withService(t)
	response, body := ask(t, e.Info(), "DELETE //v1/functions/x%2Fy?a=b HTTP/1.1\r\nHost: h\r\n")
	if response.StatusCode != http.StatusTeapot || body != "DELETE /v1/functions/x/y?a=b" {
		t.Errorf("%s %s", response.Status, body)
	}
	for _, offer := range []string{"Sec-WebSocket-Protocol: cape.function\r\nSec-WebSocket-Protocol: ada\r\n", "Sec-WebSocket-Protocol: cape.function,ada\r\n"} {
		ask(t, e.Info(), "GET /v1/run/local/echo HTTP/1.1\r\n"+upgrade+offer)
	}
	want := enclave.Credential{Scheme: "cape.function", Token: "ada"}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.seen) != 2 || m.seen[0] != want || m.seen[1] != want {
		t.Errorf("the credentials are %+v", m.seen)
	}
}

func TestADeploymentThatCannotBeTakenIsRefused(t *testing.T) {
	t.Parallel()
	e, m := withService(t)
	good := zipOf(t, "x/app.py", reverse)
	for name, c := range map[string]struct {
		message string
		code    []byte
		text    string
	}{
		"no zip":          {`{"message":{}}`, encryptFor(t, capeKeys()[0], []byte("no zip")), "is no zip"},
		"no app.py":       {`{"message":{}}`, encryptFor(t, capeKeys()[0], zipOf(t, "x/main.py", "")), "has no app.py"},
		"another's key":   {`{"message":{}}`, encryptFor(t, capeKeys()[1], good), "cannot be decrypted"},
		"not sealed":      {`{"message":{}}`, good, "cannot be opened"},
		"not JSON":        {`hello`, encryptFor(t, capeKeys()[0], good), "JSON"},
		"a broken store":  {`{"message":{"function_name":"broken"}}`, encryptFor(t, capeKeys()[0], good), "the enclave has a failure"},
		"a nameless trip": {`{"message":{}}`, encryptFor(t, capeKeys()[0], zipOf(t, "x/app.py", "", "x/../../y", "")), "leads out"},
	} {
		if answer := string(deploy(t, e, "ada", c.message, c.code)); !strings.Contains(answer, c.text) || !strings.HasPrefix(answer, `{"error":`) || strings.Contains(answer, "SECRET") {
			t.Errorf("%s: %s", name, answer)
		}
	}
	for _, route := range []string{"/v1/deploy", "/v1/test"} {
		if _, err := dialError(e.Info(), route, "cape.runtime", "ada:2222222222222222222222"); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("%s with a token for one function: %v", route, err)
		}
	}
	if len(m.kept()) != 0 {
		t.Errorf("kept: %+v", m.kept())
	}
}

func TestTooManyUploadsAtOnceAreTurnedAway(t *testing.T) {
	t.Parallel()
	e, _ := withService(t)
	var open []*client
	for {
		conn, err := dialError(e.Info(), "/v1/deploy", "cape.runtime", "ada")
		if err != nil {
			if !strings.Contains(err.Error(), "503") {
				t.Fatal(err)
			}
			break
		}
		open = append(open, &client{Conn: conn, t: t})
		if len(open) > 100 {
			t.Fatal("there is no end of them")
		}
	}
	if conn, err := dialError(e.Info(), "/v1/test", "cape.runtime", "bob"); err != nil {
		t.Errorf("one user has taken the room of all: %v", err)
	} else {
		_ = conn.Close()
	}
	for _, c := range open {
		_ = c.Close()
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		conn, err := dialError(e.Info(), "/v1/deploy", "cape.runtime", "ada")
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
