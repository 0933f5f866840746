package capelib_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"testing"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/enclave"
)

// forging puts somebody between client and enclave who replaces bytes of what the enclave says.
func forging(t *testing.T, o *capelib.Options, from, to string) {
	t.Helper()
	address, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	target := address.Host
	address.Host = listener.Addr().String()
	o.URL = address.String()
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
			go func() {
				defer client.Close()
				buffer := make([]byte, 64<<10)
				for {
					n, err := server.Read(buffer)
					if err != nil {
						return
					}
					_, _ = client.Write(bytes.Replace(buffer[:n], []byte(from), []byte(to), 1))
				}
			}()
		}
	}()
}

// In base64 these are "hello" and "Hello".
const told, forged = "aGVsbG8=", "SGVsbG8="

func TestAForgedResultIsRefusedWhereResultsAreSigned(t *testing.T) {
	t.Parallel()
	o := optionsFor(startEnclave(t))
	o.SignedResults = true
	forging(t, &o, told, forged)
	conn := connect(t, o)
	if output, err := conn.Invoke(context.Background(), []byte("another")); err != nil || string(output) != "another" {
		t.Fatalf("a true result: %q, %v", output, err)
	}
	_, err := conn.Invoke(context.Background(), []byte("hello"))
	wantError(t, err, capelib.CodeAttestation, "signature.result")
	_, err = conn.Invoke(context.Background(), []byte("another"))
	wantError(t, err, capelib.CodeClosed, "closed.not_sent")
}

// It is why the option exists: whoever ends TLS in front of an enclave can change results.
func TestAForgedResultIsNotNoticedWithoutSignatures(t *testing.T) {
	t.Parallel()
	o := optionsFor(startEnclave(t))
	forging(t, &o, told, forged)
	output, err := connect(t, o).Invoke(context.Background(), []byte("hello"))
	if err != nil || string(output) != "Hello" {
		t.Errorf("%q, %v", output, err)
	}
}

func TestResultsOfEverySizeAreProved(t *testing.T) {
	t.Parallel()
	o := optionsFor(startEnclave(t))
	o.SignedResults = true
	conn := connect(t, o)
	for _, size := range []int{0, 1, 64, 1 << 16, 5 << 20} {
		input := bytes.Repeat([]byte{7}, size)
		output, err := conn.Invoke(context.Background(), input)
		if err != nil || !bytes.Equal(output, input) {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if output, err = start(t, conn, input, capelib.CallOptions{}).Result(); err != nil || !bytes.Equal(output, input) {
			t.Fatalf("%d bytes, started: %v", size, err)
		}
	}
	_, err := conn.Invoke(context.Background(), []byte("fail"))
	wantError(t, err, capelib.CodeFunction, "function.error") // errors are not signed
}

func TestAnEnclaveThatSignsNothingIsRefusedWhereResultsAreToBeSigned(t *testing.T) {
	t.Parallel()
	o := optionsFor(startEnclave(t, enclave.MissingUserData))
	o.SignedResults = true
	_, err := capelib.Connect(context.Background(), o)
	wantError(t, err, capelib.CodeAttestation, "document.result_key_missing")
}
