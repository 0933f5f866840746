package hpke

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/hex"
	"errors"
	"sync"
	"testing"
)

func newKey(t testing.TB) *PrivateKey {
	t.Helper()
	key, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestOpenReturnsWhatSealSealed(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	for _, size := range []int{0, 1, 5, 64 << 10, 5 << 20} {
		plaintext := bytes.Repeat([]byte{0xa5}, size)
		sealed, err := Seal(key.PublicKey(), plaintext)
		if err != nil {
			t.Fatal(err)
		}
		if len(sealed) != size+Overhead {
			t.Errorf("%d bytes seal to %d", size, len(sealed))
		}
		opened, err := key.Open(sealed)
		if err != nil || !bytes.Equal(opened, plaintext) {
			t.Errorf("%d bytes do not come back: %v", size, err)
		}
	}
}

func TestStandardLibraryOpensWhatSealMakes(t *testing.T) {
	t.Parallel()
	private, err := hpke.DHKEM(ecdh.X25519()).GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 5, 100_000} {
		plaintext := bytes.Repeat([]byte{7}, size)
		sealed, err := Seal(private.PublicKey().Bytes(), plaintext)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := hpke.Open(private, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), nil, sealed)
		if err != nil || !bytes.Equal(opened, plaintext) {
			t.Errorf("crypto/hpke does not open %d bytes: %v", size, err)
		}
	}
}

func TestOpenTakesWhatTheStandardLibrarySeals(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	public, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(key.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 5, 100_000} {
		plaintext := bytes.Repeat([]byte{7}, size)
		sealed, err := hpke.Seal(public, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), nil, plaintext)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := key.Open(sealed)
		if err != nil || !bytes.Equal(opened, plaintext) {
			t.Errorf("what crypto/hpke seals does not open, %d bytes: %v", size, err)
		}
	}
}

// The key pair of RFC 9180 appendix A.2.1 (base mode of this suite): keys are raw on both sides.
func TestTheKeyPairOfTheRFCOpensWhatIsSealedToIt(t *testing.T) {
	t.Parallel()
	private, err := scheme.UnmarshalBinaryPrivateKey(unhex(t, "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb"))
	if err != nil {
		t.Fatal(err)
	}
	public := unhex(t, "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a")
	sealed, err := Seal(public, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	key := &PrivateKey{private: private, public: public}
	if opened, err := key.Open(sealed); err != nil || string(opened) != "hello" {
		t.Errorf("%q, %v", opened, err)
	}
}

// Also the top bit of the encapsulated key, which X25519 ignores (RFC 7748 section 5) but HPKE binds.
func TestOpenRefusesEveryChangedBit(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	sealed, err := Seal(key.PublicKey(), []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			if _, err := key.Open(changed); !errors.Is(err, ErrOpen) {
				t.Fatalf("bit %d of byte %d changed: %v", bit, i, err)
			}
		}
	}
	for n := range sealed {
		if _, err := key.Open(sealed[:n]); !errors.Is(err, ErrOpen) {
			t.Errorf("the first %d bytes open: %v", n, err)
		}
	}
}

func TestOpenRefusesAnotherKey(t *testing.T) {
	t.Parallel()
	sealed, err := Seal(newKey(t).PublicKey(), []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newKey(t).Open(sealed); !errors.Is(err, ErrOpen) {
		t.Errorf("another key opens it: %v", err)
	}
}

func TestSealRefusesKeysThatAreNone(t *testing.T) {
	t.Parallel()
	for name, key := range map[string][]byte{
		"none": nil, "short": make([]byte, 31), "long": make([]byte, 33), "low order": make([]byte, 32),
	} {
		if _, err := Seal(key, []byte("hello")); err == nil {
			t.Errorf("a key that is %s is sealed to", name)
		}
	}
}

func TestSealNeverRepeatsAnEncapsulatedKey(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	const each, workers = 200, 8
	var mu sync.Mutex
	seen := make(map[string]bool)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range each {
				sealed, err := Seal(key.PublicKey(), []byte("the same"))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				seen[string(sealed[:KeySize])], seen[string(sealed[KeySize:])] = true, true
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if len(seen) != 2*each*workers {
		t.Errorf("%d distinct keys and ciphertexts of %d", len(seen), 2*each*workers)
	}
}

func FuzzOpen(f *testing.F) {
	key := newKey(f)
	sealed, err := Seal(key.PublicKey(), []byte("hello"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if plaintext, err := key.Open(data); err == nil && !bytes.Equal(data, sealed) {
			t.Errorf("a forgery opens to %d bytes", len(plaintext))
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	key := newKey(b).PublicKey()
	for name, size := range map[string]int{"64B": 64, "64KiB": 64 << 10, "16MiB": 16 << 20} {
		plaintext := make([]byte, size)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := Seal(key, plaintext); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestAContextSealsOneMessageOnly(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	context, err := Prepare(key.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	sealed := make(chan []byte, 8)
	for range cap(sealed) {
		go func() {
			encapsulated, ciphertext, err := context.Seal([]byte("once"))
			if err != nil {
				encapsulated, ciphertext = nil, nil
			}
			sealed <- append(encapsulated, ciphertext...)
		}()
	}
	opened := 0
	for range cap(sealed) {
		if message := <-sealed; len(message) > 0 {
			if plaintext, err := key.Open(message); err != nil || string(plaintext) != "once" {
				t.Errorf("%q, %v", plaintext, err)
			}
			opened++
		}
	}
	if opened != 1 {
		t.Errorf("it sealed %d messages", opened)
	}
}
