package enclave

import (
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// slowService waits for whole requests, and has much to say.
type slowService struct {
	localService
	ended chan error
}

func (s *slowService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, err := io.Copy(io.Discard, r.Body)
	for piece := make([]byte, 1<<20); err == nil; {
		_, err = w.Write(piece)
	}
	s.ended <- err
}

func startSlow(t *testing.T, timeout time.Duration) (*Enclave, *slowService) {
	t.Helper()
	service := &slowService{ended: make(chan error, 10)}
	return startSlowly(t, Options{requestTimeout: timeout, Service: service}), service
}

func startSlowly(t *testing.T, o Options) *Enclave {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs a python3 in PATH")
	}
	o.Python, o.Scratch = python, t.TempDir()
	e, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// dropped sends text, then a byte at a time, and wants the enclave to end the connection. It
// returns what came before that.
func dropped(t *testing.T, e *Enclave, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(e.Info().URL, "ws://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	defer func() { <-ended }()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				_, _ = conn.Write([]byte("x"))
			}
		}
	}()
	answer, err := io.ReadAll(conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Errorf("%.60q: the connection stays open", text)
	}
	return string(answer)
}

func TestWhoeverSendsSlowlyOrWithoutEndIsDropped(t *testing.T) {
	t.Parallel()
	e, service := startSlow(t, 300*time.Millisecond)
	for _, beginning := range []string{"", "GET / HT", "GET / HTTP/1.1\r\nHost: h\r\nX-A: "} {
		if answer := dropped(t, e, beginning); strings.Contains(answer, " 200 ") {
			t.Errorf("%q is answered with %.100q", beginning, answer)
		}
	}
	dropped(t, e, "POST /v1/token HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n{")
	if err := <-service.ended; err == nil {
		t.Error("a body that does not end is taken")
	}
	for _, header := range []string{"X-A: " + strings.Repeat("x", 200<<10) + "\r\n", strings.Repeat("A: b\r\n", 40_000)} {
		if answer := dropped(t, e, "GET / HTTP/1.1\r\nHost: h\r\n"+header+"\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 431 ") && answer != "" {
			t.Errorf("a header of %d bytes: %.100q", len(header), answer)
		}
	}
}

func TestWhoeverDoesNotReadTheAnswerIsDropped(t *testing.T) {
	t.Parallel()
	e, service := startSlow(t, 200*time.Millisecond)
	conn, err := net.Dial("tcp", strings.TrimPrefix(e.Info().URL, "ws://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /v1/tokens HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-service.ended:
	case <-time.After(30 * time.Second):
		t.Error("the enclave waits for it")
	}
}
