package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/hpke"
)

// Names of the functions that the enclave serves. Both return their input: one is a few lines of
// Go inside the enclave's process, the other is Python, which costs an interpreter and two pipes.
const (
	goFunction     = "local/echo"
	pythonFunction = "local/echo_python"
)

// target is where a worker connects to, and whom it trusts. Options are those of
// cape_connect.
type target struct {
	Options options `json:"options"`
	RawURL  string  `json:"raw_url"`
	RawCA   string  `json:"raw_ca"`
	RawKey  []byte  `json:"raw_key"` // to seal to, on sealedPath
	Library string  `json:"library"`
}

type options struct {
	URL              string                         `json:"url"`
	Function         string                         `json:"function"`
	AttestationRoots string                         `json:"attestation_roots"`
	TLSCA            string                         `json:"tls_ca"`
	Policy           map[string]map[string][]string `json:"policy"`
}

// heapFloor is what the library and the command have as well: see export/main.go.
//
//lint:ignore U1000 it only has to exist
var heapFloor = make([]byte, 16<<20)

// used is what the server answers to the line "cpu".
type used struct {
	CPUNS int64 `json:"cpu_ns"`
}

// serve is the server's process: an enclave, and a raw echo. It prints a target, then answers
// each line with the CPU time it has used, and ends with its input.
func serve(input io.Reader, output io.Writer) error {
	local, err := enclave.Start(enclave.Options{
		TLS: true, Python: os.Getenv(pythonVariable),
		Functions: []enclave.Function{
			{Name: "echo", Handler: func(_ context.Context, input []byte) ([]byte, error) { return input, nil }},
			{Name: "echo_python", Folder: "tests/functions/echo"},
		},
	})
	if err != nil {
		return err
	}
	defer local.Close()
	key, err := hpke.GenerateKey()
	if err != nil {
		return err
	}
	rawURL, rawCA, stop, err := serveRaw(key)
	if err != nil {
		return err
	}
	defer stop()
	info := local.Info()
	pcrs := map[string][]string{}
	for index, value := range info.PCRs {
		pcrs[fmt.Sprint(index)] = []string{fmt.Sprintf("%x", value)}
	}
	answers := json.NewEncoder(output)
	if err := answers.Encode(target{
		Options: options{
			URL: info.URL, Function: goFunction, AttestationRoots: string(info.AttestationRoot),
			TLSCA: string(info.TLSCA), Policy: map[string]map[string][]string{"pcrs": pcrs},
		},
		RawURL: rawURL, RawCA: string(rawCA), RawKey: key.PublicKey(),
	}); err != nil {
		return err
	}
	for lines := bufio.NewScanner(input); lines.Scan(); {
		if err := answers.Encode(used{int64(cpuTime())}); err != nil {
			return err
		}
	}
	return nil
}

// pythonVariable tells the server which Python runs functions.
const pythonVariable = "CAPE_BENCH_PYTHON"

// serveRaw starts the raw echo on a free port of loopback, under a certificate of the same kind
// as the enclave's: both sides of a TLS handshake pay for the curve.
func serveRaw(opener *hpke.PrivateKey) (url string, authority []byte, stop func(), err error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return "", nil, nil, err
	}
	root, rootDER, err := certify(&x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil, key, key)
	if err != nil {
		return "", nil, nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return "", nil, nil, err
	}
	_, leaf, err := certify(&x509.Certificate{
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, root, leafKey, key)
	if err != nil {
		return "", nil, nil, err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"},
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf}, PrivateKey: leafKey}},
	})
	if err != nil {
		return "", nil, nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { echo(opener, w, r) }), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	return "wss://" + listener.Addr().String(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}),
		func() { _ = server.Close() }, nil
}

// certify makes a certificate for key; one without an issuer signs itself.
func certify(template, issuer *x509.Certificate, key, signer *ecdsa.PrivateKey) (*x509.Certificate, []byte, error) {
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	template.BasicConstraintsValid = true
	template.Subject.CommonName = "libcape benchmark"
	if issuer == nil {
		issuer = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, signer)
	if err != nil {
		return nil, nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return certificate, der, err
}
