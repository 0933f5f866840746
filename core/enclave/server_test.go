package enclave_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

func TestEveryRouteAndSchemeLeadsToTheFunction(t *testing.T) {
	t.Parallel()
	info := echoEnclave(t).Info()
	for _, route := range []string{
		"/v1/run/" + info.Functions[0].ID, "/v1/run/local/echo", "//v1/run/local/echo",
	} {
		for _, subprotocols := range [][]string{
			{"cape.runtime"}, {"cape.function"}, {"cape.runtime", "a.b-c_d"}, {"cape.function", "token"},
		} {
			conn, err := dialError(info, route, subprotocols...)
			if err != nil {
				t.Errorf("%s with %v: %v", route, subprotocols, err)
				continue
			}
			c := &client{Conn: conn, t: t}
			c.send(transport.Text, wire.EncodeStart([]byte("nonce")))
			if _, err := wire.DecodeAttestation(c.text()); err != nil {
				t.Errorf("%s with %v: %v", route, subprotocols, err)
			}
			_ = c.Close()
		}
	}
}

const upgrade = "Host: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"

// ask sends a request as it is written, and returns the answer.
func ask(t *testing.T, info enclave.Info, text string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(info.URL, "ws://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text+"\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusSwitchingProtocols {
		return response, ""
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestOnlyTheSchemeIsEchoedHoweverItIsOffered(t *testing.T) {
	t.Parallel()
	log, logger := newLog()
	info := start(t, enclave.Options{
		Functions: []enclave.Function{{Name: "echo", Handler: echo}}, Log: logger,
	}).Info()
	for _, offer := range []string{
		"Sec-WebSocket-Protocol: cape.runtime, SECRET\r\n",
		"Sec-WebSocket-Protocol: cape.runtime,SECRET\r\n",
		"Sec-WebSocket-Protocol: cape.runtime\r\nSec-WebSocket-Protocol: SECRET\r\n",
		"Sec-WebSocket-Protocol: cape.runtime\r\nSec-WebSocket-Protocol: \r\n",
		"Sec-WebSocket-Protocol: cape.runtime\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
	} {
		response, body := ask(t, info, "GET /v1/run/local/echo HTTP/1.1\r\n"+upgrade+offer)
		if response.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("%q is answered with %s %s", offer, response.Status, body)
		}
		if echoed := response.Header.Values("Sec-WebSocket-Protocol"); len(echoed) != 1 || echoed[0] != "cape.runtime" {
			t.Errorf("%q: the enclave echoes %q", offer, echoed)
		}
		if extensions := response.Header.Get("Sec-WebSocket-Extensions"); extensions != "" {
			t.Errorf("the enclave turned on %s", extensions)
		}
	}
	if strings.Contains(log.String(), "SECRET") {
		t.Error("the token is in the log")
	}
}

func TestHTTPErrorsSayWhyUnderBothNames(t *testing.T) {
	t.Parallel()
	info := echoEnclave(t).Info()
	const offer = "Sec-WebSocket-Protocol: cape.runtime, token\r\n"
	cases := []struct {
		request string
		status  int
	}{
		{"GET / HTTP/1.1\r\n" + upgrade + offer, 404},
		{"GET /v1/unknown HTTP/1.1\r\n" + upgrade + offer, 404},
		{"GET /v1/run/local/unknown HTTP/1.1\r\n" + upgrade + offer, 404},
		{"GET /v1/run/other/echo HTTP/1.1\r\n" + upgrade + offer, 404},
		{"GET /v1/run/2222222222222222222222 HTTP/1.1\r\n" + upgrade + offer, 404},
		{"GET /v1/run/ HTTP/1.1\r\n" + upgrade + offer, 404},
		{"GET /v1/run/local/echo/ HTTP/1.1\r\n" + upgrade + offer, 404},
		{"GET /v1/./run/local/echo HTTP/1.1\r\n" + upgrade + offer, 404},
		{"POST /v1/run/local/echo HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n", 405},
		{"GET /v1/run/local/echo HTTP/1.1\r\nHost: h\r\n", 426},
		{"GET /v1/run/local/echo HTTP/1.1\r\n" + upgrade, 400},
		{"GET /v1/run/local/echo HTTP/1.1\r\n" + upgrade + "Sec-WebSocket-Protocol: token, cape.runtime\r\n", 400},
	}
	for _, c := range cases {
		response, body := ask(t, info, c.request)
		var said struct{ Error, Message string }
		if err := json.Unmarshal([]byte(body), &said); err != nil || said.Error == "" || said.Error != said.Message || len(body) > 1024 {
			t.Errorf("%.60q: the body is %q", c.request, body)
		}
		if response.StatusCode != c.status || response.Header.Get("Location") != "" {
			t.Errorf("%.60q: status %d, want %d", c.request, response.StatusCode, c.status)
		}
	}
}

func TestTLSHasAnAuthorityOfItsOwn(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{TLS: true, Functions: []enclave.Function{{Name: "echo", Handler: echo}}})
	connect(t, e).wantCall("over TLS", "over TLS")
	info := e.Info()
	if !strings.HasPrefix(info.URL, "wss://127.0.0.1:") {
		t.Errorf("the address is %s", info.URL)
	}
	without := info
	without.TLSCA = nil
	_, err := dialError(without, "/v1/run/local/echo", "cape.runtime")
	wantTransport(t, err, "tls.unknown_authority")
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(info.TLSCA)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(info.URL, "wss://"), &tls.Config{
			RootCAs: roots, ServerName: name, NextProtos: []string{"h2", "http/1.1"},
		})
		if err != nil {
			t.Errorf("as %s: %v", name, err)
			continue
		}
		if state := conn.ConnectionState(); state.Version < tls.VersionTLS12 || state.NegotiatedProtocol != "http/1.1" {
			t.Errorf("as %s: version %x, protocol %q", name, state.Version, state.NegotiatedProtocol)
		}
		_ = conn.Close()
	}
	old := &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if conn, err := tls.Dial("tcp", strings.TrimPrefix(info.URL, "wss://"), old); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 is taken")
	}
}

func TestTheAddressIsOneThatClientsCanUse(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		"": "ws://127.0.0.1:", "127.0.0.1:0": "ws://127.0.0.1:", "localhost:0": "ws://localhost:",
		"0.0.0.0:0": "ws://127.0.0.1:", ":0": "ws://127.0.0.1:", "[::1]:0": "ws://[::1]:", "[::]:0": "ws://[::1]:",
	} {
		e, err := enclave.Start(enclave.Options{Listen: listen, Functions: []enclave.Function{{Name: "echo", Handler: echo}}})
		if err != nil {
			if strings.Contains(listen, "::") {
				continue // a machine without IPv6
			}
			t.Fatal(err)
		}
		if url := e.Info().URL; !strings.HasPrefix(url, want) {
			t.Errorf("%q gives %s, want %s", listen, url, want)
		}
		connect(t, e).wantCall("x", "x")
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestInfoIsJSONInTheDocumentedShape(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		e := start(t, enclave.Options{TLS: secure, Functions: []enclave.Function{{Name: "echo", Handler: echo}}})
		text, err := json.Marshal(e.Info())
		if err != nil {
			t.Fatal(err)
		}
		var shape map[string]any
		if err := json.Unmarshal(text, &shape); err != nil {
			t.Fatal(err)
		}
		want := []string{"url", "attestation_root", "functions", "pcrs"}
		if secure {
			want = append(want, "tls_ca")
		}
		for _, name := range want {
			if shape[name] == nil {
				t.Errorf("%s is missing in %s", name, text)
			}
		}
		if len(shape) != len(want) {
			t.Errorf("the members are %v, want %v", shape, want)
		}
		function := fmt.Sprint(shape["functions"].([]any)[0])
		if !strings.Contains(function, "name:local/echo") || !strings.Contains(function, "id:") || !strings.Contains(function, "checksum:") {
			t.Errorf("the function is %s", function)
		}
	}
}
