package protocol

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/wire"
)

var deployed = regexp.MustCompile(`^{"message":{"id":"([23456789A-HJ-NP-Za-km-z]{22})"}}$`)

// deployer is the key pair of clients of before March 2023, which sign their functions' tokens.
func deployer(t *testing.T) (private *rsa.PrivateKey, public string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return private, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	data, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestEachClientDeploys(t *testing.T) {
	t.Parallel()
	w := start(t, true)
	code := functionZip(t, 100_000) // some dozens of fragments
	sum := sha256.Sum256(code)
	others := w.tokenOf(t, "bob", wire.TokenRequest{})
	private, public := deployer(t)
	sealed := func([]byte) []byte { return capeCiphertext(t, code) }
	session := func(key []byte) []byte { // before 20 September 2022
		data, err := hpke.Seal(key, code)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for name, c := range map[string]struct {
		client   client
		message  string
		code     func(key []byte) []byte
		isPublic bool
		signs    bool
	}{
		"May 2023":                        {clients[cli], `{"message":{"function_name":"new","public":false}}`, sealed, false, false},
		"May 2023, public":                {clients[cli], `{"message":{"function_name":"all","public":true}}`, sealed, true, false},
		"October 2022":                    {clients[cliOf23], `{"message":{"function_token_pk":` + quoted(t, public) + `,"function_name":"old"}}`, sealed, false, true},
		"October 2022, public":            {clients[cliOf23], `{"message":{"function_token_pk":"","function_name":"oldall"}}`, sealed, true, false},
		"September 2022, to the session":  {clients[cliOf23], `{"message":{"function_token_pk":"","function_name":"oldest"}}`, session, true, false},
		"August 2022":                     {clients[cliOf22], `{"message":{"function_token_pk":` + quoted(t, public) + `}}`, session, false, true},
		"August 2022, public":             {clients[cliOf22], `{"message":{"function_token_pk":""}}`, session, true, false},
		"August 2022, not to the session": {clients[cliOf22], `{"message":{"function_token_pk":""}}`, sealed, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, document := c.client.begin(t, w, "/v1/deploy", w.token)
			// The key is asked for while the deployment stays open.
			other, key := c.client.begin(t, w, "/v1/key", w.token)
			checkKey(t, key.UserData)
			other.send(frame(closing, true, []byte(normal)))
			_ = other.conn.Close()

			p.message(text, []byte(c.message+"\n"), c.client.fragment)
			p.message(binaryFrame, c.code(document.PublicKey), c.client.fragment)
			answer := p.text()
			match := deployed.FindSubmatch(answer)
			if match == nil {
				t.Fatalf("the answer is %s", answer)
			}
			p.send(frame(closing, true, []byte(normal)))
			_ = p.conn.Close() // as this client does
			id := string(match[1])

			p, document = c.client.begin(t, w, "/v1/run/"+id, w.token)
			c.client.call(p, document, "hello", "hello", sum[:], checkClaims(t, document.UserData, sum[:]))
			p = dial(t, w.url)
			p.send([]byte(c.client.request("/v1/run/"+id, others)))
			want := "HTTP/1.1 404 "
			if c.isPublic {
				want = "HTTP/1.1 101 "
			}
			if head, err := p.from.ReadString('\n'); err != nil || !strings.HasPrefix(head, want) {
				t.Errorf("another's token is answered with %q, %v, want %s", head, err, want)
			}
			if c.signs {
				runWithOwnToken(t, w, id, sum[:], private)
			}
		})
	}
}

// runWithOwnToken runs a function as clients do that are given a token of its deployer's making:
// the earliest have neither issuer nor scope.
func runWithOwnToken(t *testing.T, w *world, id string, checksum []byte, private *rsa.PrivateKey) {
	t.Helper()
	now := time.Now()
	full := jwt.MapClaims{"iss": "ada", "sub": id, "scope": "function:invoke function:output", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	early := jwt.MapClaims{"sub": id, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	for _, claims := range []jwt.MapClaims{full, early} {
		token, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(private)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range clients {
			if c.scheme == function {
				p, document := c.begin(t, w, "/v1/run/"+id, token)
				c.call(p, document, "hello", "hello", checksum, nil)
			}
		}
	}
}

// TestPingsAreAnsweredBetweenTheFragmentsOfAMessage is for large functions on slow lines.
func TestPingsAreAnsweredBetweenTheFragmentsOfAMessage(t *testing.T) {
	t.Parallel()
	w := start(t, true)
	c := clients[cli]
	p, _ := c.begin(t, w, "/v1/deploy", w.token)
	p.message(text, []byte(`{"message":{"function_name":"slow","public":false}}`+"\n"), c.fragment)
	sealed := capeCiphertext(t, functionZip(t, 3*goFrame))
	p.send(frame(binaryFrame, false, sealed[:goFrame]))
	p.send(frame(ping, true, []byte("alive")))
	if opcode, data := p.next(); opcode != pong || string(data) != "alive" {
		t.Errorf("the ping is answered with %d %q", opcode, data)
	}
	p.message(continuation, sealed[goFrame:], c.fragment)
	if answer := p.text(); !deployed.Match(answer) {
		t.Errorf("the answer is %s", answer)
	}
	c.end(p)
}

func TestTheCommandLineTestsAFunction(t *testing.T) {
	t.Parallel()
	closed, open := start(t, true), start(t, false)
	code := functionZip(t, 100_000)
	sum := sha256.Sum256(code)
	for name, at := range map[string]struct {
		world  *world
		token  string
		scheme string
	}{
		"with a token":                       {closed, closed.token, runtime},
		"with the other scheme":              {closed, closed.token, function},
		"without one, where any is good":     {open, "", runtime},
		"without one, with the other scheme": {open, "", function},
		"with any, where any is good":        {open, "any", runtime},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clients[cli]
			c.scheme = at.scheme
			p, document := c.begin(t, at.world, "/v1/test", at.token)
			c.invoke(p, document.PublicKey, string(code))
			c.invoke(p, document.PublicKey, "hello")
			wantResult(p, "hello", "hello", sum[:])
			c.end(p)
		})
	}
}

// checkKey looks at user_data of the key's route, which has nothing but an RSA-4096 key.
func checkKey(t *testing.T, userData []byte) {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&capeKey().PublicKey)
	if err != nil || len(der) != 550 {
		t.Fatal(len(der), err)
	}
	if want := `{"key":"` + encode64(der) + `"}`; string(userData) != want {
		t.Errorf("user_data of the key is %.100s, want %.100s", userData, want)
	}
}

func TestEachClientReadsItsKey(t *testing.T) {
	t.Parallel()
	w := start(t, true)
	for _, c := range clients {
		p, document := c.begin(t, w, "/v1/key", w.token)
		checkKey(t, document.UserData)
		c.end(p)
	}
}

// exchange sends an HTTP request as it is and returns the answer and its body.
func (w *world) exchange(t *testing.T, request string) (*http.Response, string) {
	t.Helper()
	p := dial(t, w.url)
	p.send([]byte(request))
	response, err := http.ReadResponse(p.from, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}
