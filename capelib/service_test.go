package capelib_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

// service is a small service that does on each route what a test says, with a security module of
// its own.
type service struct {
	t       testing.TB
	url     string
	root    []byte // PEM
	session *hpke.PrivateKey
	pcr     []byte

	rootDER, leafDER []byte
	leafKey          *ecdsa.PrivateKey
	routes           *http.ServeMux
}

func startService(t testing.TB) *service {
	t.Helper()
	s := &service{t: t, pcr: []byte(strings.Repeat("p", 48)), routes: http.NewServeMux()}
	var err error
	if s.session, err = hpke.GenerateKey(); err != nil {
		t.Fatal(err)
	}
	certify := func(name string, ca bool, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().Add(time.Hour), SignatureAlgorithm: x509.ECDSAWithSHA384,
			BasicConstraintsValid: true, IsCA: ca, KeyUsage: x509.KeyUsageDigitalSignature,
		}
		if ca {
			template.KeyUsage, template.MaxPathLen = x509.KeyUsageCertSign, -1
		}
		if parent == nil {
			parent, signer = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return certificate, key
	}
	root, rootKey := certify("root", true, nil, nil)
	leaf, leafKey := certify("leaf", false, root, rootKey)
	s.rootDER, s.leafDER, s.leafKey = root.Raw, leaf.Raw, leafKey
	s.root = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "ws://" + listener.Addr().String()
	server := &http.Server{Handler: s.routes, ReadHeaderTimeout: time.Minute}
	ended := make(chan struct{})
	transport.Spawn(func() { defer close(ended); _ = server.Serve(transport.QuietListener(listener)) }, nil)
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return s
}

// document signs what the security module would be asked to.
func (s *service) document(nonce, userData []byte, at time.Time) []byte {
	encode := func(value any) []byte {
		encoded, err := cbor.Marshal(value)
		if err != nil {
			s.t.Error(err)
		}
		return encoded
	}
	payload := encode(map[string]any{
		"module_id": "i-1-enc2", "digest": "SHA384", "timestamp": uint64(at.UnixMilli()),
		"pcrs":        map[int][]byte{0: s.pcr, 1: s.pcr, 2: s.pcr},
		"certificate": s.leafDER, "cabundle": [][]byte{s.rootDER},
		"public_key": s.session.PublicKey(), "user_data": userData, "nonce": nonce,
	})
	protected := []byte("\xa1\x01\x38\x22")
	digest := sha512.Sum384(encode([]any{"Signature1", protected, []byte{}, payload}))
	r, v, err := ecdsa.Sign(rand.Reader, s.leafKey, digest[:])
	if err != nil {
		s.t.Error(err)
	}
	signature := make([]byte, 96)
	r.FillBytes(signature[:48])
	v.FillBytes(signature[48:])
	return encode([]any{protected, map[int]int{}, payload, signature})
}

// attested serves a websocket route: the enclave attests, stating userData, and then does as
// handle says.
func (s *service) attested(route, userData string, handle func(conn *transport.Conn, offered []string)) {
	s.routes.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
		offered := transport.Subprotocols(r)
		conn, err := transport.Accept(w, r, transport.AcceptOptions{Subprotocol: offered[0], ReadLimit: 1 << 30})
		if err != nil {
			return
		}
		defer conn.Close()
		_, frame, err := conn.Read()
		if err != nil {
			return
		}
		nonce, err := wire.DecodeStart(frame)
		if err != nil {
			s.t.Error(err)
			return
		}
		var stated []byte
		if userData != "" {
			stated = []byte(userData)
		}
		reply := wire.EncodeAttestation(s.document(nonce, stated, time.Now()))
		if conn.Write(transport.Text, reply, time.Now().Add(10*time.Second)) == nil {
			handle(conn, offered)
		}
	})
}

func (s *service) options() capelib.Options {
	return capelib.Options{
		URL: s.url, Token: "header.payload.signature", AttestationRoots: s.root, Timeout: 20 * time.Second,
		Policy: &capelib.Policy{PCRs: map[int][][]byte{0: {s.pcr}}},
	}
}

// capeKey is made once: an RSA key of this size takes a second or more.
var capeKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		panic(err)
	}
	return key
})

func capeKeyDER(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&capeKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func untilClosed(conn *transport.Conn, _ []string) { _, _, _ = conn.Read() }
