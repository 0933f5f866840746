package attest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"
	"time"
)

// signedAt is the timestamp of the documents made here; the leaf is valid from half an hour
// before to two and a half hours after.
var signedAt = time.Date(2026, 6, 1, 12, 30, 0, 250e6, time.UTC)

// The places of a chain of the AWS shape, root first.
const (
	root = iota
	regional
	zonal
	instance
	leaf
)

// certPlan says how to make one certificate. The fields beside the template override what
// follows from the certificate above.
type certPlan struct {
	template  x509.Certificate
	key       crypto.Signer
	issuer    *x509.Certificate // whose subject it names
	issuerKey crypto.Signer
	mutate    func(der []byte) []byte
}

// testKey derives a key from its name, so that made documents are the same on each run. The
// keys are no secret and nothing but tests trusts them.
func testKey(curve elliptic.Curve, name string) *ecdsa.PrivateKey {
	seed := sha512.Sum512([]byte("libcape test key " + name))
	size := (curve.Params().BitSize + 7) / 8
	raw := append(make([]byte, max(0, size-len(seed))), seed[:min(size, len(seed))]...)
	key, err := ecdsa.ParseRawPrivateKey(curve, raw)
	if err != nil {
		panic(err)
	}
	return key
}

func p256Key(name string) *ecdsa.PrivateKey { return testKey(elliptic.P256(), name) }
func p384Key(name string) *ecdsa.PrivateKey { return testKey(elliptic.P384(), name) }
func p521Key(name string) *ecdsa.PrivateKey { return testKey(elliptic.P521(), name) }

func ed25519Key(name string) ed25519.PrivateKey {
	seed := sha512.Sum512([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:ed25519.SeedSize])
}

// awsPlan is a chain such as AWS issues: a root, a regional and a zonal CA, one for the parent
// instance, and the enclave's certificate for three hours.
func awsPlan() []*certPlan {
	const all = x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	ca := func(name string, serial int64, from, to time.Time, usage x509.KeyUsage, pathLen int) *certPlan {
		return &certPlan{key: p384Key(name), template: x509.Certificate{
			SerialNumber: big.NewInt(serial),
			Subject:      pkix.Name{Country: []string{"US"}, Organization: []string{"libcape tests"}, CommonName: name},
			NotBefore:    from, NotAfter: to,
			KeyUsage: usage, BasicConstraintsValid: true, IsCA: true, MaxPathLen: pathLen, MaxPathLenZero: pathLen == 0,
		}}
	}
	day := 24 * time.Hour
	hour := signedAt.Truncate(time.Hour)
	plans := []*certPlan{
		ca("nitro-enclaves.test", 1, hour.AddDate(-6, 0, 0), hour.AddDate(24, 0, 0), all, -1),
		ca("region.nitro-enclaves.test", 2, hour.Add(-4*day), hour.Add(16*day), all, 2),
		ca("zonal.region.nitro-enclaves.test", 3, hour.Add(-2*day), hour.Add(3*day), all, 1),
		ca("i-0123456789abcdef0.nitro-enclaves.test", 4, hour.Add(-6*time.Hour), hour.Add(18*time.Hour), x509.KeyUsageCertSign, 0),
	}
	const name = "i-0123456789abcdef0-enc0123456789abcdef.test"
	return append(plans, &certPlan{key: p384Key(name), template: x509.Certificate{
		SerialNumber: big.NewInt(5),
		Subject:      pkix.Name{Country: []string{"US"}, Organization: []string{"libcape tests"}, CommonName: name},
		NotBefore:    hour, NotAfter: hour.Add(3 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment, BasicConstraintsValid: true,
	}})
}

// issue makes the certificates of a plan, each signed by the one before it.
func issue(t testing.TB, plans []*certPlan) [][]byte {
	t.Helper()
	ders := make([][]byte, len(plans))
	for i, plan := range plans {
		above := plans[max(i-1, 0)]
		parent, signer := &above.template, above.key
		if plan.issuer != nil {
			parent = plan.issuer
		}
		if plan.issuerKey != nil {
			signer = plan.issuerKey
		}
		der, err := x509.CreateCertificate(nil, &plan.template, parent, plan.key.Public(), signer)
		if err != nil {
			t.Fatalf("certificate %d: %v", i, err)
		}
		if plan.mutate != nil {
			der = plan.mutate(der)
		}
		ders[i] = der
	}
	return ders
}

var plainChain = sync.OnceValue(func() [][]byte {
	var t testing.T
	return issue(&t, awsPlan())
})

// testRoots is what trusts the chains of awsPlan.
func testRoots() [][]byte { return plainChain()[:1] }

// foreignKey is a key of which no certificate speaks.
var foreignKey = sync.OnceValue(func() *ecdsa.PrivateKey { return p384Key("foreign") })

// setVersion overwrites the version of a certificate: 0 is version 1.
func setVersion(version byte) func(der []byte) []byte {
	return func(der []byte) []byte {
		explicit := []byte{0xa0, 3, 2, 1, 2}
		at := bytes.Index(der, explicit)
		der[at+len(explicit)-1] = version
		return der
	}
}

// leafIssuesLeaf puts under the chain a second leaf, which the first one issued and which signs.
func leafIssuesLeaf(d *draft, chain [][]byte) {
	plans := awsPlan()
	second := awsPlan()[leaf]
	second.key, second.issuerKey = foreignKey(), plans[leaf].key
	second.template.Subject.CommonName += ".second"
	var t testing.T
	der := issue(&t, []*certPlan{plans[leaf], second})[1]
	d.set("cabundle", cborBundle(chain))
	d.set("certificate", cborBytes(der))
	d.signer = foreignKey()
}
