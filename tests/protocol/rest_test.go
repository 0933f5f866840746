package protocol

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const when = `"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z"`

// TestTheRESTRoutesAnswerTheCommandLine sends what Go's client does, without a Content-Type, and
// compares all of each answer.
func TestTheRESTRoutesAnswerTheCommandLine(t *testing.T) {
	t.Parallel()
	w := start(t, true)
	const failure = `{"error":"([^"]+)","message":"([^"]+)"}`
	record := `"id":"` + w.id + `","name":"ada/echo"`
	for _, c := range []struct {
		request, token, body string
		status, want         string
	}{
		{"GET /v1/functions?limit=50&offset=0", w.token, "", "200 OK", `\[{` + record + `,"created_at":` + when + `,"CreatedAt":` + when + `}\]`},
		{"GET /v1/functions?limit=50&offset=1", w.token, "", "200 OK", `\[\]`},
		{"GET /v1/functions?limit=50&offset=0", "", "", "401 Unauthorized", failure},
		{"GET /v1/functions/" + w.id, w.token, "", "200 OK", `{` + record + `,"user_id":"ada","location":"[^"]+","created_at":` + when + `}`},
		{"GET /v1/functions/2222222222222222222222", w.token, "", "404 Not Found", failure},
		{"GET /v1/ada/function/echo", w.token, "", "200 OK", `{` + record + `,"user_id":"ada","location":"[^"]+","created_at":` + when + `}`},
		{"GET /v1/ada/function/nothing", w.token, "", "404 Not Found", failure},
		{"POST /v1/token", w.token, `{"name":"n","description":"d","function_id":"","expiry":"2999-01-02T03:04:05.000000006Z"}`, "201 Created", `{"token":"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"}`},
		{"POST /v1/token", w.token, `{"name":"n","description":"","function_id":"` + w.id + `"}`, "201 Created", `{"token":"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"}`},
		{"POST /v1/token", "", `{"name":"n","description":"","function_id":""}`, "401 Unauthorized", failure},
		{"DELETE /v1/token/nothing", w.token, "", "404 Not Found", failure},
		{"DELETE /v1/functions/nothing", w.token, "", "404 Not Found", failure},
		{"DELETE /v1/functions/" + w.id, w.token, "", "200 OK", `{}`},
		{"DELETE /v1/functions/" + w.id, w.token, "", "404 Not Found", failure},
		{"POST /v1/marketplace_link_account", w.token, `{"customer_id":"x"}`, "501 Not Implemented", failure},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		request := method + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1:8765\r\nUser-Agent: Go-http-client/1.1\r\n"
		if c.body != "" {
			request += "Content-Length: " + strconv.Itoa(len(c.body)) + "\r\n"
		}
		response, body := w.exchange(t, request+"Authorization: Bearer "+c.token+"\r\nAccept-Encoding: gzip\r\n\r\n"+c.body)
		match := regexp.MustCompile("^" + c.want + "\n?$").FindStringSubmatch(body)
		if response.Status != c.status || match == nil || response.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s\n%s", c.request, response.Status, body)
		}
		if c.want == failure && match != nil && (match[1] != match[2] || len(body) >= 1024) {
			t.Errorf("%s: %s", c.request, body)
		}
	}
}

// TestAnyoneReadsAUsersKey is what pycape, cape-js and the command line do before they encrypt:
// without a token, and in a browser from any page.
func TestAnyoneReadsAUsersKey(t *testing.T) {
	t.Parallel()
	w := start(t, true)
	for name, more := range map[string]string{
		"pycape":               "User-Agent: python-requests/2.28.1\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n",
		"the command line":     "User-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n",
		"cape-js in a browser": "Origin: https://shop.example\r\nAccept: */*\r\nSec-Fetch-Mode: cors\r\n",
	} {
		response, body := w.exchange(t, "GET /v1/user/ada/key HTTP/1.1\r\nHost: 127.0.0.1:8765\r\n"+more+"\r\n")
		match := regexp.MustCompile(`^{"attestation_document":"([A-Za-z0-9+/]+={0,2})"}$`).FindStringSubmatch(body)
		if response.StatusCode != 200 || match == nil {
			t.Fatalf("%s: %s\n%.200s", name, response.Status, body)
		}
		if response.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: a browser keeps the answer from the page: %v", name, response.Header)
		}
		document := checkDocument(t, match[1], w.root)
		checkKey(t, document.UserData)
		if len(document.Nonce) != 16 {
			t.Errorf("%s: the nonce is %x", name, document.Nonce)
		}
	}
	response, body := w.exchange(t, "GET /v1/user/nobody/key HTTP/1.1\r\nHost: 127.0.0.1:8765\r\n\r\n")
	if response.StatusCode != 404 || !regexp.MustCompile(`^{"error":"[^"]+","message":"[^"]+"}$`).MatchString(body) {
		t.Errorf("%s\n%s", response.Status, body)
	}
}

// TestPagesOfOtherMachinesMayNotUseAnOpenEnclave: where any token is good, a page of anybody's
// could have its visitor's browser run functions on their machine.
func TestPagesOfOtherMachinesMayNotUseAnOpenEnclave(t *testing.T) {
	t.Parallel()
	open, none := start(t, false), serveHandler(t, echo)
	c := clients[inChrome]
	for _, at := range []struct {
		world *world
		token string
		route string
	}{{open, "any", "/v1/key"}, {open, "any", "/v1/test"}, {none, "any", "/v1/run/local/echo"}} {
		for origin, want := range map[string]string{
			"https://shop.example":     "403 Forbidden",
			"http://127.0.0.1.example": "403 Forbidden",
			"null":                     "403 Forbidden",
			"http://localhost:3000":    "101 Switching Protocols",
			"http://127.0.0.1:8080":    "101 Switching Protocols",
			"https://[::1]:8443":       "101 Switching Protocols",
		} {
			p := dial(t, at.world.url)
			p.send([]byte(strings.Replace(c.request(at.route, at.token), "https://shop.example", origin, 1)))
			if head, err := p.from.ReadString('\n'); err != nil || head != "HTTP/1.1 "+want+"\r\n" {
				t.Errorf("%s at %s: %q, %v, want %s", origin, at.route, head, err, want)
			}
		}
	}
}
