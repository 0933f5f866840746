package enclave_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

func serve(t *testing.T, handler enclave.Handler) *client {
	t.Helper()
	return connect(t, start(t, enclave.Options{Functions: []enclave.Function{{Name: "f", Handler: handler}}}))
}

func TestResultsCarryChecksums(t *testing.T) {
	t.Parallel()
	c := serve(t, func(_ context.Context, input []byte) ([]byte, error) {
		return append([]byte("out of "), input...), nil
	})
	c.request([]byte("in"))
	result, err := c.reply()
	if err != nil {
		t.Fatal(err)
	}
	input, output := sha256.Sum256([]byte("in")), sha256.Sum256([]byte("out of in"))
	function, err := hex.DecodeString(c.info.Functions[0].Checksum)
	if err != nil {
		t.Fatal(err)
	}
	sums := result.Checksums
	if sums == nil || !bytes.Equal(sums.Input, input[:]) || !bytes.Equal(sums.Output, output[:]) || !bytes.Equal(sums.Function, function) {
		t.Fatalf("the checksums are %x", sums)
	}
}

func TestAnEmptyOutputIsAnEmptyString(t *testing.T) {
	t.Parallel()
	c := serve(t, func(context.Context, []byte) ([]byte, error) { return nil, nil })
	c.request(nil)
	reply := string(c.text())
	if !strings.Contains(reply, `"message":""`) || strings.Contains(reply, "error") {
		t.Fatalf("the reply is %s", reply)
	}
}

func TestRepliesKeepTheOrderOfRequests(t *testing.T) {
	t.Parallel()
	c := connect(t, echoEnclave(t))
	const count = 200
	for i := range count {
		c.request(fmt.Append(nil, i))
	}
	for i := range count {
		result, err := c.reply()
		if err != nil || string(result.Output) != fmt.Sprint(i) {
			t.Fatalf("reply %d is %q, %v", i, result.Output, err)
		}
	}
}

func TestErrorsLeaveTheSessionUsable(t *testing.T) {
	t.Parallel()
	c := serve(t, func(_ context.Context, input []byte) ([]byte, error) {
		switch string(input) {
		case "fail":
			return nil, errors.New("as it was told to")
		case "panic":
			panic("some secret")
		}
		return input, nil
	})
	c.wantError("fail", "as it was told to")
	c.wantError("panic", "the function panicked")
	c.send(transport.Text, []byte("text"))
	c.wantErrorReply("binary")
	c.send(transport.Binary, []byte("short"))
	c.wantErrorReply("cannot be opened")
	c.send(transport.Binary, make([]byte, 100))
	c.wantErrorReply("cannot be opened")
	c.send(transport.Binary, nil)
	c.wantErrorReply("cannot be opened")
	other, err := hpke.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	own := c.key
	c.key = other.PublicKey()
	c.wantError("sealed to another key", "cannot be opened")
	c.key = own
	c.wantCall("still there", "still there")
}

func TestInputsAreBounded(t *testing.T) {
	t.Parallel()
	const limit, allowance = 1000, 64 << 10
	e := start(t, enclave.Options{MaxInput: limit, Functions: []enclave.Function{{Name: "echo", Handler: echo}}})
	c := connect(t, e)
	if output := c.call(make([]byte, limit+allowance)); len(output) != limit+allowance {
		t.Fatalf("the largest input came back with %d bytes", len(output))
	}
	c.wantError(strings.Repeat("x", limit+allowance+1), "takes at most")
	c.wantCall("still there", "still there")
	sealed, err := hpke.Seal(c.key, make([]byte, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Write(transport.Binary, sealed, time.Now().Add(patience)) // the enclave may hang up before the end
	c.wantGone("closed.peer", "closed.lost")
}

func TestOutputsAreBounded(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{MaxInput: 1000, Functions: []enclave.Function{{
		Name: "f", Handler: func(context.Context, []byte) ([]byte, error) { return make([]byte, 100_000), nil },
	}}})
	connect(t, e).wantError("", "the result has 100000 bytes")
}

func TestErrorTextsAreBounded(t *testing.T) {
	t.Parallel()
	c := serve(t, func(context.Context, []byte) ([]byte, error) {
		return nil, errors.New("begins " + strings.Repeat("\xff", 1<<20))
	})
	c.request(nil)
	if reply := c.text(); len(reply) > 64<<10 || !bytes.Contains(reply, []byte("begins")) {
		t.Fatalf("the reply has %d bytes", len(reply))
	}
}

func TestPingsAreAnsweredWhileAFunctionRuns(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	c := serve(t, func(ctx context.Context, _ []byte) ([]byte, error) {
		<-release
		return nil, nil
	})
	c.request(nil)
	c.request(nil) // and while another waits
	c.wantSilence()
}

func TestAnIdleSessionIsClosedNormally(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{
		IdleTimeout: time.Second, Functions: []enclave.Function{{Name: "echo", Handler: echo}},
	})
	c := connect(t, e)
	_, _, err := c.receive()
	if err == nil || !strings.Contains(err.Error(), "1000") {
		t.Fatalf("got %v, want close code 1000", err)
	}
}

func TestASessionThatNeverStartsIsClosed(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{
		IdleTimeout: 50 * time.Millisecond, Functions: []enclave.Function{{Name: "echo", Handler: echo}},
	})
	conn, err := dialError(e.Info(), "/v1/run/local/echo", "cape.runtime")
	if err != nil {
		t.Fatal(err)
	}
	c := &client{Conn: conn, t: t}
	c.wantGone("closed.peer")
}

// idleTest is an idle timeout that a busy machine does not reach by itself.
const idleTest = 4 * time.Second

func TestARunningFunctionKeepsASessionAlive(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{IdleTimeout: idleTest, Functions: []enclave.Function{{
		Name: "f", Handler: func(_ context.Context, input []byte) ([]byte, error) {
			time.Sleep(idleTest * 3 / 2)
			return input, nil
		},
	}}})
	connect(t, e).wantCall("long", "long")
}

func TestPingsKeepASessionAlive(t *testing.T) {
	t.Parallel()
	e := start(t, enclave.Options{IdleTimeout: idleTest, Functions: []enclave.Function{{Name: "echo", Handler: echo}}})
	c := connect(t, e)
	ticker := time.NewTicker(idleTest / 40)
	defer ticker.Stop()
	for begin := time.Now(); time.Since(begin) < idleTest*3/2; <-ticker.C {
		if err := c.Ping(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
	}
	c.wantCall("short", "short")
}

func TestABadFirstMessageIsAnErrorAndTheEnd(t *testing.T) {
	t.Parallel()
	e := echoEnclave(t)
	cases := []struct {
		kind transport.Kind
		data string
		want string
	}{
		{transport.Binary, string(wire.EncodeStart([]byte("nonce"))), "binary"},
		{transport.Text, "{", "is not a JSON"},
		{transport.Text, `{"message":{}}`, "no nonce"},
		{transport.Text, `{"message":{"nonce":"*"}}`, "not base64"},
		{transport.Text, string(wire.EncodeStart(make([]byte, 1025))), "1025 bytes"},
	}
	for _, bad := range cases {
		conn, err := dialError(e.Info(), "/v1/run/local/echo", "cape.runtime")
		if err != nil {
			t.Fatal(err)
		}
		c := &client{Conn: conn, t: t}
		c.send(bad.kind, []byte(bad.data))
		c.wantErrorReply(bad.want)
		c.wantGone("closed.peer")
	}
}

func TestAGiantFirstMessageIsNotTaken(t *testing.T) {
	t.Parallel()
	conn, err := dialError(echoEnclave(t).Info(), "/v1/run/local/echo", "cape.runtime")
	if err != nil {
		t.Fatal(err)
	}
	c := &client{Conn: conn, t: t}
	_ = c.Write(transport.Text, make([]byte, 10<<20), time.Now().Add(patience))
	c.wantGone("closed.peer", "closed.lost")
}

func TestAHandlersContextEndsWithTheSession(t *testing.T) {
	t.Parallel()
	entered, ended := make(chan struct{}), make(chan struct{})
	c := serve(t, func(ctx context.Context, _ []byte) ([]byte, error) {
		close(entered)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	})
	c.request(nil)
	<-entered
	_ = c.Close()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the handler goes on")
	}
}

func TestSessionsRunSideBySide(t *testing.T) {
	t.Parallel()
	both := make(chan struct{}, 2)
	release := make(chan struct{})
	e := start(t, enclave.Options{Functions: []enclave.Function{{
		Name: "f", Handler: func(_ context.Context, input []byte) ([]byte, error) {
			both <- struct{}{}
			<-release
			return input, nil
		},
	}}})
	one, other := connect(t, e), connect(t, e)
	one.request([]byte("1"))
	other.request([]byte("2"))
	for range 2 {
		select {
		case <-both:
		case <-time.After(patience):
			t.Fatal("the second session waits for the first")
		}
	}
	close(release)
	for want, c := range map[string]*client{"1": one, "2": other} {
		if result, err := c.reply(); err != nil || string(result.Output) != want {
			t.Errorf("got %q, %v, want %s", result.Output, err, want)
		}
	}
	if bytes.Equal(one.key, other.key) {
		t.Error("two sessions have the same key")
	}
}
