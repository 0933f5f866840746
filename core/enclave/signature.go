package enclave

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

// resultKeyBits is the size of the key that signs checksums. It is made anew at each start, and
// vouched for by every document.
const resultKeyBits = 2048

// resultSigner signs the checksums of results.
type resultSigner struct {
	private *rsa.PrivateKey
	public  []byte // PKCS#1 DER (RFC 8017 appendix A.1.1), which is what clients parse
}

// makeResultSigner makes the key in the background: it takes longer than all else that a start
// does. The function it returns waits for it.
func makeResultSigner() (wait func() (*resultSigner, error)) {
	return ahead(func() (*resultSigner, error) {
		private, err := rsa.GenerateKey(rand.Reader, resultKeyBits)
		if err != nil {
			return nil, fmt.Errorf("the key that signs results cannot be made: %w", err)
		}
		return &resultSigner{private, x509.MarshalPKCS1PublicKey(&private.PublicKey)}, nil
	})
}

func (r *resultSigner) sign(sums wire.Checksums) ([]byte, error) {
	digest := sha256.Sum256(sums.SignedBytes())
	signature, err := rsa.SignPSS(rand.Reader, r.private, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		return nil, fmt.Errorf("the result cannot be signed: %w", err)
	}
	return signature, nil
}

// ahead starts work and returns a function that waits for its result.
func ahead[T any](work func() (T, error)) func() (T, error) {
	var value T
	err := errors.New("defect in the enclave") // stands if work panics
	done := make(chan struct{})
	transport.Spawn(func() {
		defer close(done)
		value, err = work()
	}, nil)
	return func() (T, error) {
		<-done
		return value, err
	}
}
