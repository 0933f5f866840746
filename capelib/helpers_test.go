package capelib_test

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/enclave"
)

// echo is a function in Go that returns its input, unless that says what to do instead.
func echo(ctx context.Context, input []byte) ([]byte, error) {
	switch string(input) {
	case "fail":
		return nil, errors.New("ValueError: as asked")
	case "wait":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return input, nil
}

func startEnclave(t testing.TB, faults ...enclave.Fault) *enclave.Enclave {
	t.Helper()
	return startWith(t, enclave.Options{Faults: faults})
}

func startWith(t testing.TB, o enclave.Options) *enclave.Enclave {
	t.Helper()
	o.Functions = []enclave.Function{{Name: "echo", Handler: echo}}
	server, err := enclave.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}

// optionsFor pins what the enclave measures, and trusts its root.
func optionsFor(server *enclave.Enclave) capelib.Options {
	info := server.Info()
	pcrs := make(map[int][][]byte)
	for index := range 3 {
		pcrs[index] = [][]byte{info.PCRs[index]}
	}
	return capelib.Options{
		URL: info.URL, Function: "local/echo", AttestationRoots: info.AttestationRoot, TLSCA: info.TLSCA,
		Policy: &capelib.Policy{PCRs: pcrs}, Timeout: 20 * time.Second,
	}
}

func connect(t testing.TB, o capelib.Options) *capelib.Conn {
	t.Helper()
	conn, err := capelib.Connect(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// wantError checks code and reason, and that the text is fit to be shown.
func wantError(t testing.TB, err error, code capelib.Code, reason string) *capelib.Error {
	t.Helper()
	var failure *capelib.Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want %s", err, reason)
	}
	if failure.Code != code || failure.Reason != reason {
		t.Errorf("got %d %s (%s), want %d %s", failure.Code, failure.Reason, failure.Message, code, reason)
	}
	if failure.Message == "" || strings.ContainsAny(failure.Message, "\r\n") {
		t.Errorf("%s has an unfit text %q", reason, failure.Message)
	}
	return failure
}

func checksumOf(t testing.TB, server *enclave.Enclave) []byte {
	t.Helper()
	sum, err := hex.DecodeString(server.Info().Functions[0].Checksum)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}
