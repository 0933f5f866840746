package capelib_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/transport"
)

// connectFaults says how each fault of an enclave at connecting is told.
var connectFaults = []struct {
	fault  enclave.Fault
	code   capelib.Code
	reason string
	report bool // a document was examined
}{
	{enclave.SilentHandshake, capelib.CodeTimeout, "timeout.connect", false},
	{enclave.RejectToken, capelib.CodeAuth, "auth.rejected", false},
	{enclave.RejectUpgrade, capelib.CodeConnect, "connect.status", false},
	{enclave.SilentStart, capelib.CodeTimeout, "timeout.connect", false},
	{enclave.StartNotJSON, capelib.CodeProtocol, "protocol.json", false},
	{enclave.StartNoMessage, capelib.CodeProtocol, "protocol.message", false},
	{enclave.StartNotBase64, capelib.CodeProtocol, "protocol.base64", false},
	{enclave.StartError, capelib.CodeConnect, "connect.enclave_error", false},
	{enclave.StartBinary, capelib.CodeProtocol, "protocol.frame", false},
	{enclave.StartDropped, capelib.CodeConnect, "connect.lost", false},
	{enclave.DocumentTruncated, capelib.CodeAttestation, "cbor.truncated", true},
	{enclave.DocumentTampered, capelib.CodeAttestation, "signature.invalid", true},
	{enclave.ExpiredLeaf, capelib.CodeAttestation, "chain.expired", true},
	{enclave.ForeignRoot, capelib.CodeAttestation, "chain.root", true},
	{enclave.ForeignChain, capelib.CodeAttestation, "chain.signature", true},
	{enclave.ReplayedNonce, capelib.CodeAttestation, "nonce.mismatch", true},
	{enclave.MissingNonce, capelib.CodeAttestation, "nonce.missing", true},
	{enclave.ZeroPCRs, capelib.CodePolicy, "policy.debug_mode", true},
	{enclave.WrongPCR, capelib.CodePolicy, "policy.pcr_mismatch", true},
	{enclave.MissingKey, capelib.CodeAttestation, "document.public_key_missing", true},
	{enclave.ShortKey, capelib.CodeAttestation, "document.public_key_length", true},
	{enclave.ClockOff, capelib.CodeAttestation, "time.clock_skew", true},
	{enclave.WrongChecksum, capelib.CodePolicy, "policy.function_checksum", true},
	{enclave.MissingChecksum, capelib.CodePolicy, "policy.function_checksum_missing", true},
	{enclave.MissingUserData, capelib.CodePolicy, "policy.function_checksum_missing", true},
}

func TestConnectTellsEachFaultApart(t *testing.T) {
	t.Parallel()
	for _, c := range connectFaults {
		t.Run(string(c.fault), func(t *testing.T) {
			t.Parallel()
			server := startEnclave(t, c.fault)
			o := optionsFor(server)
			o.Policy.FunctionChecksum = checksumOf(t, server)
			if c.code == capelib.CodeTimeout {
				o.Timeout = 200 * time.Millisecond
			}
			started := time.Now()
			_, err := capelib.Connect(context.Background(), o)
			failure := wantError(t, err, c.code, c.reason)
			if (failure.Report != nil) != c.report {
				t.Errorf("the report is there: %v, want %v", failure.Report != nil, c.report)
			}
			if failure.Report != nil && failure.Report.Verdict != "refused" {
				t.Errorf("the report says %s", failure.Report.Verdict)
			}
			if c.code == capelib.CodeTimeout && time.Since(started) > 10*o.Timeout {
				t.Errorf("it took %v to see a deadline of %v", time.Since(started), o.Timeout)
			}
			_ = server.SetFaults()
			if output, err := connect(t, optionsFor(server)).Invoke(context.Background(), []byte("x")); err != nil || string(output) != "x" {
				t.Errorf("the enclave does not serve on: %q, %v", output, err)
			}
		})
	}
}

// invokeFaults says how each fault of an enclave at a call is told.
var invokeFaults = []struct {
	fault    enclave.Fault
	code     capelib.Code
	reason   string
	goesOn   bool
	deadline time.Duration
}{
	{enclave.InvokeDropped, capelib.CodeClosed, "closed.outcome_unknown", false, 0},
	{enclave.ReplyNotJSON, capelib.CodeProtocol, "protocol.json", false, 0},
	{enclave.ReplyNoMessage, capelib.CodeProtocol, "protocol.message", false, 0},
	{enclave.ReplyNotBase64, capelib.CodeProtocol, "protocol.base64", false, 0},
	{enclave.ReplyBinary, capelib.CodeProtocol, "protocol.frame", false, 0},
	{enclave.ReplyError, capelib.CodeFunction, "function.error", true, 0},
	{enclave.TruncatedFrame, capelib.CodeClosed, "closed.outcome_unknown", false, 0},
	{enclave.SlowReply, capelib.CodeTimeout, "timeout.outcome_unknown", true, 200 * time.Millisecond},
	{enclave.NoReply, capelib.CodeTimeout, "timeout.outcome_unknown", false, 200 * time.Millisecond},
	{enclave.HugeReply, capelib.CodeLimit, "limit.reply", false, 0},
}

func TestInvokeTellsEachFaultApart(t *testing.T) {
	t.Parallel()
	for _, c := range invokeFaults {
		t.Run(string(c.fault), func(t *testing.T) {
			t.Parallel()
			server := startEnclave(t)
			conn := connect(t, optionsFor(server))
			if err := server.SetFaults(c.fault); err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			if c.deadline > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, c.deadline)
				defer cancel()
			}
			_, err := conn.Invoke(ctx, []byte("x"))
			wantError(t, err, c.code, c.reason)
			_ = server.SetFaults()
			if c.fault == enclave.NoReply {
				return // replies come in order, and the missing one never will
			}
			output, err := conn.Invoke(context.Background(), []byte("after"))
			switch {
			case c.goesOn && (err != nil || string(output) != "after"):
				t.Errorf("the connection does not go on: %q, %v", output, err)
			case !c.goesOn:
				wantError(t, err, capelib.CodeClosed, "closed.not_sent")
			}
		})
	}
}

func TestEveryFaultOfTheEnclaveIsTried(t *testing.T) {
	t.Parallel()
	tried := map[enclave.Fault]bool{enclave.IdleDropped: true} // below
	for _, c := range connectFaults {
		tried[c.fault] = true
	}
	for _, c := range invokeFaults {
		tried[c.fault] = true
	}
	for _, fault := range enclave.Faults() {
		if !tried[fault] {
			t.Errorf("no test tries %s", fault)
		}
	}
}

func TestInvokeAfterTheConnectionWasLostSaysThatNothingWasSent(t *testing.T) {
	t.Parallel()
	server := startEnclave(t, enclave.IdleDropped)
	conn := connect(t, optionsFor(server))
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, err := conn.Invoke(context.Background(), nil)
		if failure := capelib.AsError(err); failure != nil && failure.Reason == "closed.not_sent" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a lost connection is not noticed: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestConnectSaysThatNothingListens(t *testing.T) {
	t.Parallel()
	server := startEnclave(t)
	o := optionsFor(server)
	_ = server.Close()
	_, err := capelib.Connect(context.Background(), o)
	wantError(t, err, capelib.CodeConnect, "connect.refused")
}

func TestConnectRefusesAServerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, scheme := range []string{"ws://", "wss://"} {
		o := optionsFor(startEnclave(t))
		o.URL, o.Timeout = scheme+listener.Addr().String(), 100*time.Millisecond
		_, err = capelib.Connect(context.Background(), o)
		wantError(t, err, capelib.CodeTimeout, "timeout.connect")
	}
}

func TestConnectKnowsTheFunctionByItsName(t *testing.T) {
	t.Parallel()
	o := optionsFor(startEnclave(t))
	o.Function = "local/nothing"
	_, err := capelib.Connect(context.Background(), o)
	wantError(t, err, capelib.CodeConnect, "connect.function")
}

func TestConnectWantsAKnownAuthority(t *testing.T) {
	t.Parallel()
	server := startWith(t, enclave.Options{TLS: true})
	o := optionsFor(server)
	connect(t, o)
	o.TLSCA = nil
	_, err := capelib.Connect(context.Background(), o)
	wantError(t, err, capelib.CodeTLS, "tls.unknown_authority")
	o.TLSCA = startWith(t, enclave.Options{TLS: true}).Info().TLSCA
	_, err = capelib.Connect(context.Background(), o)
	wantError(t, err, capelib.CodeTLS, "tls.unknown_authority")
}

func TestConnectTrustsNoLocalRootUnlessItIsNamed(t *testing.T) {
	t.Parallel()
	o := optionsFor(startEnclave(t))
	o.AttestationRoots = nil
	_, err := capelib.Connect(context.Background(), o)
	wantError(t, err, capelib.CodeAttestation, "chain.root")
}

func TestConnectSaysThatThePublicServiceHasEnded(t *testing.T) {
	t.Parallel()
	// A proxy that refuses stands for a name that does not resolve, and keeps the test off the net.
	o := optionsFor(startEnclave(t))
	o.URL, o.Proxy = "wss://enclave.capeprivacy.com", "http://127.0.0.1:1"
	_, err := capelib.Connect(context.Background(), o)
	failure := wantError(t, err, capelib.CodeConnect, "connect.proxy")
	for _, wanted := range []string{"has ended", "cape enclave"} {
		if !contains(failure.Message, wanted) {
			t.Errorf("%q does not say %q", failure.Message, wanted)
		}
	}
}

func TestAServerCannotPutTheTokenIntoAnErrorText(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	const token = "a-very-secret-token"
	transport.Spawn(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = conn.Write([]byte("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n{\"error\":\"no: " + token + "\x1b[31m\"}"))
	}, nil)
	o := optionsFor(startEnclave(t))
	o.URL, o.Token = "ws://"+listener.Addr().String(), token
	_, err = capelib.Connect(context.Background(), o)
	failure := wantError(t, err, capelib.CodeAuth, "auth.rejected")
	if contains(failure.Message, token) || contains(failure.Message, "\x1b") {
		t.Errorf("the text is %q", failure.Message)
	}
}
