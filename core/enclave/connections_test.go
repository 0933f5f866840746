package enclave

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	e, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	e.connections.Store(maxConnections)
	if status := statusOf(e); status != 0 {
		t.Errorf("a connection over the limit is answered with %d", status)
	}
	e.connections.Store(0)
	if status := statusOf(e); status != 404 {
		t.Errorf("a connection within the limit is answered with %d", status)
	}
}

func TestOneUserLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	e := startSlowly(t, Options{Service: &provenService{}})
	for range maxConnectionsOfOne {
		if _, err := e.visits.enter("ada"); err != nil {
			t.Fatal(err)
		}
	}
	for user, want := range map[string]int{"ada": http.StatusServiceUnavailable, "bob": http.StatusNotFound} {
		request, err := http.NewRequest(http.MethodGet, "http"+strings.TrimPrefix(e.Info().URL, "ws")+"/v1/run/local/none", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Protocol": {"cape.runtime, " + user}}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s is answered with %d, want %d", user, response.StatusCode, want)
		}
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		e.visits.mu.Lock()
		taken := e.visits.taken
		e.visits.mu.Unlock()
		if taken == maxConnectionsOfOne {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d places are taken: who was refused keeps one", taken)
		}
	}
}

// provenService takes tokens for users' names, and for proof of them.
type provenService struct{ localService }

func (*provenService) Authorise(_ context.Context, c Credential) (Caller, error) {
	return Caller{User: c.Token}, nil
}

// statusOf asks for the root of the server; 0 when there is no answer.
func statusOf(e *Enclave) int {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http" + strings.TrimPrefix(e.Info().URL, "ws"))
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}

func TestARefusedRequestIsNotWaitedForWithoutEnd(t *testing.T) {
	t.Parallel()
	handler := func(_ context.Context, input []byte) ([]byte, error) { return input, nil }
	e, err := Start(Options{requestTimeout: 2 * time.Second, Functions: []Function{{Name: "f", Handler: handler}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	const incomplete = "Host: h\r\nContent-Length: 1000\r\n"
	const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: cape.runtime\r\n"
	for request, status := range map[string]int{
		"POST / HTTP/1.1\r\n" + incomplete:                        404,
		"POST /v1/run/local/f HTTP/1.1\r\n" + incomplete:          405,
		"GET /v1/run/local/f HTTP/1.1\r\n" + incomplete:           426,
		"GET /v1/run/local/f HTTP/1.1\r\n" + incomplete + upgrade: 400, // it lacks the websocket's key
		"GET /v1/run/local/f HTTP/1.1\r\nHost: h\r\n" + upgrade:   400,
		"GET /v1/run/local/f HTTP/1.1\r\nHost: h\r\n":             426,
	} {
		t.Run(request, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", strings.TrimPrefix(e.Info().URL, "ws://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn) // until the enclave closes the connection
			if err != nil || !strings.HasPrefix(string(answer), fmt.Sprintf("HTTP/1.1 %d ", status)) {
				t.Errorf("the answer is %q, %v", answer, err)
			}
		})
	}
}
