package capelib_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

// tries serves the route of tests: each part is opened, and reply answers the two.
func (s *service) tries(reply func(archive, input []byte) []byte) {
	s.attested("/v1/test", "", func(conn *transport.Conn, _ []string) {
		var parts [2][]byte
		for i := range parts {
			_, frame, err := conn.Read()
			if err != nil {
				s.t.Error(err)
				return
			}
			if parts[i], err = s.session.Open(frame); err != nil {
				s.t.Error(err)
			}
		}
		_ = conn.Write(transport.Text, reply(parts[0], parts[1]), soon())
		untilClosed(conn, nil)
	})
}

func TestTestSendsTheFunctionThenTheInput(t *testing.T) {
	t.Parallel()
	s := startService(t)
	s.tries(func(archive, input []byte) []byte {
		if !bytes.HasPrefix(archive, []byte("PK")) {
			t.Errorf("%q is no zip", archive[:4])
		}
		return wire.EncodeResult(wire.Result{Output: append([]byte("got "), input...)})
	})
	output, report, err := capelib.Test(context.Background(), s.options(), functionFolder(t, "echo"), []byte("hello"))
	if err != nil || string(output) != "got hello" || report.Verdict != "accepted" {
		t.Errorf("%q %+v %v", output, report, err)
	}
}

func TestTestTellsThatTheFunctionFailed(t *testing.T) {
	t.Parallel()
	s := startService(t)
	s.tries(func(_, _ []byte) []byte { return wire.EncodeError("ValueError: no header.payload.signature") })
	_, _, err := capelib.Test(context.Background(), s.options(), functionFolder(t, "echo"), nil)
	if failure := wantError(t, err, capelib.CodeFunction, "function.error"); failure.Message != "ValueError: no [token]" {
		t.Error(failure.Message)
	}
	_, _, err = capelib.Test(context.Background(), s.options(), functionFolder(t, "echo"), make([]byte, capelib.MaxInput+1))
	wantError(t, err, capelib.CodeLimit, "limit.input")
}

func TestTestIsCancelledWhileTheZipIsMade(t *testing.T) {
	t.Parallel()
	s := startService(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err := capelib.Test(ctx, s.options(), functionFolder(t, "echo"), nil)
	if failure := wantError(t, err, capelib.CodeCancelled, "cancelled.not_sent"); failure.Message != "the test was cancelled before all was sent: test it again" {
		t.Error(failure.Message)
	}
}

func TestTestTellsThatTheConnectionWasLost(t *testing.T) {
	t.Parallel()
	s := startService(t)
	s.attested("/v1/test", "", func(conn *transport.Conn, _ []string) {
		_, _, _ = conn.Read()
		_, _, _ = conn.Read()
	})
	_, _, err := capelib.Test(context.Background(), s.options(), functionFolder(t, "echo"), nil)
	if failure := wantError(t, err, capelib.CodeClosed, "closed.outcome_unknown"); !strings.Contains(failure.Message, "closed the connection after all was sent: the function may have run") {
		t.Error(failure.Message)
	}
}
