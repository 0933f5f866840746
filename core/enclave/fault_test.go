package enclave_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/libcape/libcape/core/attest"
	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

func TestEveryFaultIsKnownByItsName(t *testing.T) {
	t.Parallel()
	for _, fault := range enclave.Faults() {
		if parsed, err := enclave.ParseFault(string(fault)); err != nil || parsed != fault {
			t.Errorf("%s parses as %q, %v", fault, parsed, err)
		}
	}
}

func TestAnUnknownFaultIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	e := echoEnclave(t, enclave.ReplyError)
	wantReason(t, e.SetFaults("no_such_fault"), "argument.fault")
	c := connect(t, e)
	c.wantError("x", "reply_error")
}

func TestFaultsEndWhenTheyAreTakenBack(t *testing.T) {
	t.Parallel()
	e := echoEnclave(t, enclave.ReplyError)
	c := connect(t, e)
	c.wantError("x", "reply_error")
	if err := e.SetFaults(); err != nil {
		t.Fatal(err)
	}
	c.wantCall("x", "x")
}

func TestSilentHandshakeNeverAnswers(t *testing.T) {
	t.Parallel()
	info := echoEnclave(t, enclave.SilentHandshake).Info()
	address, err := url.Parse(info.URL + "/v1/run/local/echo")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = transport.Dial(ctx, transport.DialOptions{URL: address, Subprotocols: []string{"cape.runtime"}, ReadLimit: 1 << 20})
	wantTransport(t, err, "timeout.connect")
}

func TestHandshakesAreRejected(t *testing.T) {
	t.Parallel()
	for fault, reason := range map[enclave.Fault]string{
		enclave.RejectToken: "auth.rejected", enclave.RejectUpgrade: "connect.status",
	} {
		_, err := dialError(echoEnclave(t, fault).Info(), "/v1/run/local/echo", "cape.runtime", "token")
		wantTransport(t, err, reason)
	}
}

func TestTheNonceIsAnsweredBadly(t *testing.T) {
	t.Parallel()
	for fault, reason := range map[enclave.Fault]string{
		enclave.StartNotJSON: "protocol.json", enclave.StartNoMessage: "protocol.message",
		enclave.StartNotBase64: "protocol.base64",
	} {
		c := dial(t, echoEnclave(t, fault))
		_, err := wire.DecodeAttestation(c.text())
		var wrong *wire.Error
		if !errors.As(err, &wrong) || wrong.Reason != reason {
			t.Errorf("%s gives %v, want %s", fault, err, reason)
		}
	}
}

func TestStartErrorIsAnErrorAndTheEnd(t *testing.T) {
	t.Parallel()
	c := dial(t, echoEnclave(t, enclave.StartError))
	_, err := wire.DecodeAttestation(c.text())
	var said *wire.ServerError
	if !errors.As(err, &said) {
		t.Fatalf("got %v, want the enclave's error", err)
	}
	c.wantGone("closed.peer")
}

func TestStartBinaryIsTheRightAnswerInTheWrongKind(t *testing.T) {
	t.Parallel()
	c := dial(t, echoEnclave(t, enclave.StartBinary))
	kind, data, err := c.receive()
	if err != nil || kind != transport.Binary {
		t.Fatalf("got kind %v, %v, want a binary message", kind, err)
	}
	if _, err := wire.DecodeAttestation(data); err != nil {
		t.Fatal(err)
	}
}

func TestStartDroppedLosesTheConnection(t *testing.T) {
	t.Parallel()
	dial(t, echoEnclave(t, enclave.StartDropped)).wantGone("closed.lost")
}

func TestSilentStartOnlyAnswersPings(t *testing.T) {
	t.Parallel()
	c := dial(t, echoEnclave(t, enclave.SilentStart))
	c.wantSilence()
}

// wantSilence reads for a while, wants pings to be answered and nothing else to come.
func (c *client) wantSilence() {
	c.t.Helper()
	before := c.Heard()
	if err := c.Ping(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	answered := make(chan struct{})
	transport.Spawn(func() {
		defer close(answered)
		for !c.Heard().After(before) && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		_ = c.Close()
	}, nil)
	if _, data, err := c.Read(); err == nil {
		c.t.Fatalf("the enclave sent %.200q", data)
	}
	<-answered
	if !c.Heard().After(before) {
		c.t.Fatal("the ping was not answered")
	}
}

func TestDocumentsAreForged(t *testing.T) {
	t.Parallel()
	cases := map[enclave.Fault][]string{
		enclave.DocumentTruncated: {"cbor.truncated"},
		enclave.DocumentTampered:  {"signature.invalid"},
		enclave.ExpiredLeaf:       {"chain.expired"},
		enclave.ForeignRoot:       {"chain.root"},
		enclave.ForeignChain:      {"chain.signature"},
		enclave.ReplayedNonce:     {"nonce.mismatch"},
		enclave.MissingNonce:      {"nonce.missing"},
		enclave.ZeroPCRs:          {"policy.debug_mode"},
		enclave.WrongPCR:          {"policy.pcr_mismatch"},
		enclave.MissingKey:        {"document.public_key_missing"},
		enclave.ShortKey:          {"document.public_key_length"},
		enclave.ClockOff:          {"time.clock_skew"},
		enclave.WrongChecksum:     {"policy.function_checksum"},
		enclave.MissingChecksum:   {"policy.function_checksum_missing"},
		enclave.MissingUserData:   {"policy.function_checksum_missing"},
	}
	for fault, reasons := range cases {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			c := dial(t, echoEnclave(t, fault))
			raw, err := wire.DecodeAttestation(c.text())
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = c.verify(raw, time.Time{})
			var refused *attest.Error
			if !errors.As(err, &refused) || !slices.Contains(reasons, refused.Reason) {
				t.Fatalf("the verdict is %+v, want %v", err, reasons)
			}
		})
	}
}

func TestClockOffIsThreeDaysAndConsistent(t *testing.T) {
	t.Parallel()
	c := dial(t, echoEnclave(t, enclave.ClockOff))
	raw, err := wire.DecodeAttestation(c.text())
	if err != nil {
		t.Fatal(err)
	}
	document, _, err := c.verify(raw, time.Now().Add(72*time.Hour+time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if ahead := time.Until(document.Timestamp); ahead < 71*time.Hour || ahead > 73*time.Hour {
		t.Fatalf("the document is %v ahead", ahead)
	}
}

func TestIdleDroppedLosesTheConnectionBetweenInvokes(t *testing.T) {
	t.Parallel()
	connect(t, echoEnclave(t, enclave.IdleDropped)).wantGone("closed.lost")
	e := echoEnclave(t)
	c := connect(t, e)
	if err := e.SetFaults(enclave.IdleDropped); err != nil {
		t.Fatal(err)
	}
	c.wantCall("x", "x")
	c.wantGone("closed.lost")
}

func TestInvokeDroppedLosesTheConnectionDuringAnInvoke(t *testing.T) {
	t.Parallel()
	c := connect(t, echoEnclave(t, enclave.InvokeDropped))
	c.request([]byte("x"))
	c.wantGone("closed.lost")
}

func TestRequestsAreAnsweredBadly(t *testing.T) {
	t.Parallel()
	for fault, reason := range map[enclave.Fault]string{
		enclave.ReplyNotJSON: "protocol.json", enclave.ReplyNoMessage: "protocol.message",
		enclave.ReplyNotBase64: "protocol.base64",
	} {
		c := connect(t, echoEnclave(t, fault))
		c.request([]byte("x"))
		_, err := c.reply()
		var wrong *wire.Error
		if !errors.As(err, &wrong) || wrong.Reason != reason {
			t.Errorf("%s gives %v, want %s", fault, err, reason)
		}
	}
}

func TestReplyBinaryIsTheRightReplyInTheWrongKind(t *testing.T) {
	t.Parallel()
	c := connect(t, echoEnclave(t, enclave.ReplyBinary))
	c.request([]byte("x"))
	kind, data, err := c.receive()
	if err != nil || kind != transport.Binary {
		t.Fatalf("got kind %v, %v, want a binary message", kind, err)
	}
	if result, err := wire.DecodeResult(data); err != nil || string(result.Output) != "x" {
		t.Fatalf("got %q, %v", result.Output, err)
	}
}

func TestTruncatedFrameEndsInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		e := start(t, enclave.Options{
			TLS: secure, Functions: []enclave.Function{{Name: "echo", Handler: echo}},
			Faults: []enclave.Fault{enclave.TruncatedFrame},
		})
		for _, size := range []int{0, 1000, 100_000} { // one of each form of a frame's length
			c := connect(t, e)
			c.request(make([]byte, size))
			c.wantGone("closed.lost")
		}
	}
}

func TestSlowReplyComesLate(t *testing.T) {
	t.Parallel()
	c := connect(t, echoEnclave(t, enclave.SlowReply))
	sent := time.Now()
	c.wantCall("x", "x")
	if took := time.Since(sent); took < time.Second {
		t.Fatalf("the reply came after %v", took)
	}
}

func TestNoReplyOnlyAnswersPings(t *testing.T) {
	t.Parallel()
	c := connect(t, echoEnclave(t, enclave.NoReply))
	c.request([]byte("x"))
	c.wantSilence()
}

func TestHugeReplyIsOverEveryLimit(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		c := connect(t, start(t, enclave.Options{
			TLS: secure, Functions: []enclave.Function{{Name: "echo", Handler: echo}},
			Faults: []enclave.Fault{enclave.HugeReply},
		}))
		c.request([]byte("x"))
		c.wantGone("limit.message")
	}
}

func wantTransport(t *testing.T, err error, reason string) {
	t.Helper()
	var wrong *transport.Error
	if !errors.As(err, &wrong) || wrong.Reason != reason {
		t.Fatalf("got %v, want %s", err, reason)
	}
}

func wantReason(t *testing.T, err error, reason string) {
	t.Helper()
	var wrong *enclave.Error
	if !errors.As(err, &wrong) || wrong.Reason != reason {
		t.Fatalf("got %v, want %s", err, reason)
	}
}
