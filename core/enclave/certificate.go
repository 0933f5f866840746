package enclave

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// authority is a certificate with its key: a CA, or the end of a chain.
type authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

// certificateSpec says what a certificate is for. All are on P-384, signed with ECDSA and
// SHA-384.
type certificateSpec struct {
	name       string // common name
	from, to   time.Time
	ca         bool
	pathLength int      // of a CA; negative: unbounded
	hosts      []string // names and addresses of a TLS server; nil: not one
}

// newAuthority makes a key and has issuer certify it; nil: it certifies itself.
func newAuthority(spec certificateSpec, issuer *authority) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("certificate key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("certificate serial: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: spec.name, Organization: []string{"libcape local enclave"}},
		NotBefore:             spec.from.UTC(),
		NotAfter:              spec.to.UTC(),
		SignatureAlgorithm:    x509.ECDSAWithSHA384,
		BasicConstraintsValid: true,
		IsCA:                  spec.ca,
		KeyUsage:              x509.KeyUsageDigitalSignature,
	}
	if spec.ca {
		template.KeyUsage |= x509.KeyUsageCertSign | x509.KeyUsageCRLSign
		template.MaxPathLen = spec.pathLength
		template.MaxPathLenZero = spec.pathLength == 0
	}
	for _, host := range spec.hosts {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.certificate, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", spec.name, err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", spec.name, err)
	}
	return &authority{key: key, certificate: certificate}, nil
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}
