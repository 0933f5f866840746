package script

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/enclave/service"
	"github.com/libcape/libcape/core/enclave/store"
)

// user owns what the scripts deploy.
const user = "ann"

// secrets are made once: an RSA key of the size of a Cape key takes a second or more.
var secrets = sync.OnceValue(func() (made struct {
	cape   []byte // PKCS#8
	issuer *ecdsa.PrivateKey
}) {
	cape, err := rsa.GenerateKey(rand.Reader, 4096)
	if err == nil {
		made.cape, err = x509.MarshalPKCS8PrivateKey(cape)
	}
	if err == nil {
		made.issuer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		panic(err)
	}
	return made
})

// master is the access token of the user, such as the issuer of the tests makes.
var master = sync.OnceValue(func() string { return accessToken(user) })

func accessToken(of string) string {
	return signed(jwt.MapClaims{"sub": "auth|" + of, "https://capeprivacy.com/username": of})
}

// signed is a token of the issuer that ends in an hour.
func signed(claims jwt.MapClaims) string {
	claims["exp"] = time.Now().Add(time.Hour).Unix()
	return endless(claims)
}

// endless is a token of the issuer that says no more than its claims.
func endless(claims jwt.MapClaims) string {
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	text, err := token.SignedString(secrets().issuer)
	if err != nil {
		panic(err)
	}
	return text
}

// startService starts an enclave that keeps what is deployed in a folder, and lets in whoever has
// a token of the issuer or of its own.
func startService(t testing.TB, folder string, later func(func())) enclave.Info {
	t.Helper()
	kept, err := store.Open(filepath.Join(folder, "service"))
	if err != nil {
		t.Fatal(err)
	}
	later(func() { _ = kept.Close() })
	if _, err := kept.PutKey("cape/"+user, secrets().cape); err != nil {
		t.Fatal(err)
	}
	s, err := service.New(service.Options{Store: kept, Auth: true, Issuers: []service.Issuer{{Key: &secrets().issuer.PublicKey}}})
	if err != nil {
		t.Fatal(err)
	}
	server, err := enclave.Start(enclave.Options{Service: s, Python: absolute(t, "build/venv/bin/python")})
	if err != nil {
		t.Fatal(err)
	}
	later(func() { _ = server.Close() })
	return server.Info()
}
