package protocol

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libcape/libcape/core/capekey"
	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/enclave/service"
	"github.com/libcape/libcape/core/enclave/store"
	"github.com/libcape/libcape/core/wire"
)

// capeKey is made once: it takes a second and more.
var capeKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, capekey.KeyBits)
	if err != nil {
		panic(err)
	}
	return key
})

// world is an enclave with a service, and a function of ada's in it.
type world struct {
	url      string
	root     *x509.Certificate // of its attestation documents
	service  *service.Service  // nil: there is none, and no function but local/echo
	token    string            // of ada's
	id       string            // of ada's function ada/echo
	checksum []byte
	ahead    *atomic.Int64 // how far the service's clock is, in nanoseconds
}

// start starts an enclave with a service, which wants tokens or takes any.
func start(t *testing.T, auth bool) *world {
	t.Helper()
	python := os.Getenv("CAPE_PYTHON")
	if python == "" {
		var err error
		if python, err = exec.LookPath("python3"); err != nil {
			t.Skip("needs a python3 in PATH, or CAPE_PYTHON")
		}
	}
	kept, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kept.Close() })
	der, err := x509.MarshalPKCS8PrivateKey(capeKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"ada", service.DefaultUser} {
		if _, err := kept.PutKey("cape/"+user, der); err != nil {
			t.Fatal(err)
		}
	}
	ahead := new(atomic.Int64)
	s, err := service.New(service.Options{Store: kept, Auth: auth, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	w := serve(t, enclave.Options{Service: s, Python: python, Scratch: t.TempDir()})
	w.service, w.ahead = s, ahead
	w.token = w.tokenOf(t, "ada", wire.TokenRequest{})
	code := functionZip(t, 10)
	sum := sha256.Sum256(code)
	w.checksum = sum[:]
	w.id, err = s.Deploy(t.Context(), enclave.Caller{User: "ada"}, enclave.Deployment{Name: "echo", Checksum: sum, Code: bytes.NewReader(capeCiphertext(t, code))})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// serve starts an enclave with these options.
func serve(t *testing.T, o enclave.Options) *world {
	t.Helper()
	e, err := enclave.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	block, _ := pem.Decode(e.Info().AttestationRoot)
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return &world{url: e.Info().URL, root: root}
}

// serveHandler is an enclave with one function, local/echo, that takes any token.
func serveHandler(t *testing.T, handler enclave.Handler) *world {
	t.Helper()
	return serve(t, enclave.Options{Functions: []enclave.Function{{Name: "echo", Handler: handler}}})
}

func echo(_ context.Context, input []byte) ([]byte, error) { return input, nil }

func (w *world) tokenOf(t *testing.T, user string, request wire.TokenRequest) string {
	t.Helper()
	token, err := w.service.CreateToken(user, request)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// functionZip is a function that echoes, with so many bytes that cannot be compressed.
func functionZip(t *testing.T, filler int) []byte {
	t.Helper()
	var into bytes.Buffer
	files := zip.NewWriter(&into)
	noise := make([]byte, filler)
	_, _ = rand.Read(noise)
	for name, content := range map[string][]byte{"echo/app.py": []byte("def cape_handler(x):\n    return x\n"), "echo/noise": noise} {
		w, err := files.Create(name)
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	return into.Bytes()
}

// capeCiphertext is in the raw form.
func capeCiphertext(t *testing.T, data []byte) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&capeKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := capekey.Encrypt(der, data)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}
