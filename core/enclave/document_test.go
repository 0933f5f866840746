package enclave_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"os"
	"regexp"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/wire"
)

// payload is the content of a document, read by nothing of the library.
type payload struct {
	ModuleID    string         `cbor:"module_id"`
	Digest      string         `cbor:"digest"`
	Timestamp   uint64         `cbor:"timestamp"`
	PCRs        map[int][]byte `cbor:"pcrs"`
	Certificate []byte         `cbor:"certificate"`
	CABundle    [][]byte       `cbor:"cabundle"`
	PublicKey   []byte         `cbor:"public_key"`
	UserData    []byte         `cbor:"user_data"`
	Nonce       []byte         `cbor:"nonce"`
}

func documentOf(t *testing.T, e *enclave.Enclave) (*client, []byte, payload) {
	t.Helper()
	c := dial(t, e)
	raw, err := wire.DecodeAttestation(c.text())
	if err != nil {
		t.Fatal(err)
	}
	return c, raw, payloadOf(t, raw)
}

func payloadOf(t *testing.T, raw []byte) payload {
	t.Helper()
	var message struct {
		_         struct{} `cbor:",toarray"`
		Protected []byte
		Header    map[int]int
		Payload   []byte
		Signature []byte
	}
	if err := cbor.Unmarshal(raw, &message); err != nil {
		t.Fatal(err)
	}
	var p payload
	if err := cbor.Unmarshal(message.Payload, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDocumentsHaveTheFormThatEveryClientTakes(t *testing.T) {
	t.Parallel()
	c, raw, p := documentOf(t, echoEnclave(t))
	if begin := hex.EncodeToString(raw[:7]); begin != "8444a1013822a0" {
		t.Errorf("the document begins with %s", begin)
	}
	if !regexp.MustCompile(`^i-[0-9a-f]{17}-enc[0-9a-f]{16}$`).MatchString(p.ModuleID) {
		t.Errorf("module_id is %q", p.ModuleID)
	}
	if p.Digest != "SHA384" {
		t.Errorf("digest is %q", p.Digest)
	}
	if age := time.Since(time.UnixMilli(int64(p.Timestamp))); age < 0 || age > patience {
		t.Errorf("the document is %v old", age)
	}
	if len(p.PublicKey) != 32 {
		t.Errorf("the public key has %d bytes", len(p.PublicKey))
	}
	if !bytes.Equal(p.Nonce, c.nonce) {
		t.Errorf("the nonce is %x, want %x", p.Nonce, c.nonce)
	}
	checksum, err := hex.DecodeString(c.info.Functions[0].Checksum)
	if err != nil {
		t.Fatal(err)
	}
	encoded := base64.StdEncoding.EncodeToString(checksum)
	want := regexp.MustCompile(`^{"func_checksum":"` + regexp.QuoteMeta(encoded) + `","func_hash":"` + regexp.QuoteMeta(encoded) +
		`","signature_verification_public_key":"[A-Za-z0-9+/]+=*"}$`)
	if !want.Match(p.UserData) {
		t.Errorf("user_data is %s, want %s", p.UserData, want)
	}
}

func TestTheNonceIsAlwaysThere(t *testing.T) {
	t.Parallel()
	e := echoEnclave(t)
	for _, nonce := range [][]byte{{}, {0}, make([]byte, 1024)} {
		conn, err := dialError(e.Info(), "/v1/run/local/echo", "cape.runtime")
		if err != nil {
			t.Fatal(err)
		}
		c := &client{Conn: conn, t: t}
		c.send(1, wire.EncodeStart(nonce))
		raw, err := wire.DecodeAttestation(c.text())
		if err != nil {
			t.Fatal(err)
		}
		if p := payloadOf(t, raw); p.Nonce == nil || !bytes.Equal(p.Nonce, nonce) {
			t.Errorf("a nonce of %d bytes is in the document as %x", len(nonce), p.Nonce)
		}
	}
}

func TestMeasurementsAreDigestsOfThisProgram(t *testing.T) {
	t.Parallel()
	c, _, p := documentOf(t, echoEnclave(t))
	if len(p.PCRs) != 16 {
		t.Fatalf("there are %d PCRs", len(p.PCRs))
	}
	zero := make([]byte, 48)
	for index := range 16 {
		if isZero := bytes.Equal(p.PCRs[index], zero); isZero != (index > 2) || len(p.PCRs[index]) != 48 {
			t.Errorf("PCR%d is %x", index, p.PCRs[index])
		}
		if index <= 2 && !bytes.Equal(p.PCRs[index], c.info.PCRs[index]) {
			t.Errorf("PCR%d differs from what Info says", index)
		}
	}
	if bytes.Equal(p.PCRs[0], p.PCRs[1]) || bytes.Equal(p.PCRs[0], p.PCRs[2]) || bytes.Equal(p.PCRs[1], p.PCRs[2]) {
		t.Error("two measurements are the same")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if want := sha512.Sum384(image); !bytes.Equal(p.PCRs[0], want[:]) {
		t.Errorf("PCR0 is %x, want the digest of %s, %x", p.PCRs[0], program, want)
	}
	if again := echoEnclave(t).Info(); !bytes.Equal(again.PCRs[2], p.PCRs[2]) {
		t.Error("another start measures differently")
	}
}

func TestTheChainHasTheShapeOfAWS(t *testing.T) {
	t.Parallel()
	c, _, p := documentOf(t, echoEnclave(t))
	var chain []*x509.Certificate
	for _, der := range append(slices.Clone(p.CABundle), p.Certificate) {
		if len(der) > 1024 {
			t.Errorf("a certificate has %d bytes", len(der))
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, certificate)
	}
	if len(chain) != 5 {
		t.Fatalf("the chain has %d certificates", len(chain))
	}
	block, _ := pem.Decode(c.info.AttestationRoot)
	if block == nil || !bytes.Equal(block.Bytes, p.CABundle[0]) {
		t.Error("the cabundle does not begin with the root that Info names")
	}
	lengths := []int{-1, 2, 1, 0}
	for i, certificate := range chain {
		issuer := chain[max(i-1, 0)]
		if err := certificate.CheckSignatureFrom(issuer); err != nil {
			t.Errorf("certificate %d: %v", i, err)
		}
		if certificate.SignatureAlgorithm != x509.ECDSAWithSHA384 || certificate.PublicKey.(*ecdsa.PublicKey).Curve != elliptic.P384() {
			t.Errorf("certificate %d is signed with %v", i, certificate.SignatureAlgorithm)
		}
		isLeaf := i == len(chain)-1
		if certificate.IsCA == isLeaf || !certificate.BasicConstraintsValid || len(certificate.ExtKeyUsage) > 0 {
			t.Errorf("certificate %d: CA %v", i, certificate.IsCA)
		}
		if signs := certificate.KeyUsage&x509.KeyUsageCertSign != 0; signs == isLeaf || certificate.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
			t.Errorf("certificate %d: key usage %b", i, certificate.KeyUsage)
		}
		if !isLeaf && certificate.MaxPathLen != lengths[i] {
			t.Errorf("certificate %d: path length %d", i, certificate.MaxPathLen)
		}
		if certificate.NotBefore.After(time.Now()) {
			t.Errorf("certificate %d is not valid yet", i)
		}
	}
	if left := time.Until(chain[4].NotAfter); left > 3*time.Hour || left < 3*time.Hour-patience {
		t.Errorf("the leaf is valid for %v", left)
	}
}

func TestEachStartHasARootAndAModuleOfItsOwn(t *testing.T) {
	t.Parallel()
	_, _, one := documentOf(t, echoEnclave(t))
	_, _, other := documentOf(t, echoEnclave(t))
	if bytes.Equal(one.CABundle[0], other.CABundle[0]) || one.ModuleID == other.ModuleID {
		t.Error("two enclaves share a root or a module id")
	}
}

func TestTheLeafIsRenewedBeforeItEnds(t *testing.T) {
	t.Parallel()
	began := time.Now()
	var ahead atomic.Int64
	e := start(t, enclave.Options{
		Functions: []enclave.Function{{Name: "echo", Handler: echo}},
		Now:       func() time.Time { return began.Add(time.Duration(ahead.Load())) },
	})
	var leaves [][]byte
	for _, after := range []time.Duration{
		0, 2 * time.Hour, 2*time.Hour + 31*time.Minute, 5 * time.Hour, 30 * 24 * time.Hour, 365 * 24 * time.Hour, time.Hour,
	} {
		ahead.Store(int64(after))
		c, raw, p := documentOf(t, e)
		if _, _, err := c.verify(raw, began.Add(after)); err != nil {
			t.Errorf("after %v: %v", after, err)
		}
		leaves = append(leaves, p.Certificate)
	}
	if !bytes.Equal(leaves[0], leaves[1]) {
		t.Error("the leaf changes with each document")
	}
	for i := 2; i < len(leaves); i++ {
		if bytes.Equal(leaves[i], leaves[i-1]) != (i == 3) && i != 3 {
			t.Errorf("leaf %d is the one before", i)
		}
	}
}

func TestDocumentsUnderConcurrencyAreAllGenuine(t *testing.T) {
	t.Parallel()
	e := echoEnclave(t)
	for range 8 {
		t.Run("session", func(t *testing.T) {
			t.Parallel()
			connect(t, e).wantCall("x", "x")
		})
	}
}

func TestAHandlersChecksumNamesTheProgramAndTheFunction(t *testing.T) {
	t.Parallel()
	other := func(context.Context, []byte) ([]byte, error) { return nil, nil }
	info := start(t, enclave.Options{Functions: []enclave.Function{{Name: "a", Handler: echo}, {Name: "b", Handler: other}}}).Info()
	again := start(t, enclave.Options{Functions: []enclave.Function{{Name: "a", Handler: echo}}}).Info()
	if info.Functions[0].Checksum == info.Functions[1].Checksum {
		t.Error("two functions have the same checksum")
	}
	if info.Functions[0] != again.Functions[0] {
		t.Error("another start gives another id or checksum")
	}
}
