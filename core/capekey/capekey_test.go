package capekey

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"slices"
	"sync"
	"testing"
)

// testKey is made once: an RSA key of this size takes a second or more.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, KeyBits)
	if err != nil {
		panic(err)
	}
	return key
})

func public(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func encrypt(t testing.TB, plaintext []byte) []byte {
	t.Helper()
	raw, err := Encrypt(public(t, &testKey().PublicKey), plaintext)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// text is the text form of a ciphertext in the raw form.
func text(raw []byte) []byte {
	return append([]byte(Prefix), base64.StdEncoding.EncodeToString(raw[len(Prefix):])...)
}

func TestWhatIsEncryptedDecryptsInBothForms(t *testing.T) {
	t.Parallel()
	der := public(t, &testKey().PublicKey)
	if len(der) != 550 {
		t.Errorf("the key has %d bytes in DER, not 550", len(der))
	}
	for _, size := range []int{0, 1, 15, 16, 17, 4096, 1<<20 + 3} {
		plaintext := make([]byte, size)
		_, _ = rand.Read(plaintext)
		raw := encrypt(t, plaintext)
		if len(raw) != size+Overhead {
			t.Errorf("%d bytes became %d, not %d", size, len(raw), size+Overhead)
		}
		armoured, err := EncryptText(der, plaintext)
		if err != nil {
			t.Fatal(err)
		}
		for name, ciphertext := range map[string][]byte{"raw": raw, "text": armoured} {
			before := bytes.Clone(ciphertext)
			got, err := Decrypt(testKey(), ciphertext)
			if err != nil || !bytes.Equal(got, plaintext) {
				t.Errorf("%s of %d bytes: %v", name, size, err)
			}
			if !bytes.Equal(ciphertext, before) {
				t.Errorf("%s of %d bytes was changed", name, size)
			}
		}
	}
}

// The layout, taken apart by hand, as any other client does it.
func TestTheLayoutIsThatOfTheProtocol(t *testing.T) {
	t.Parallel()
	raw := encrypt(t, []byte("hello"))
	if string(raw[:5]) != "cape:" {
		t.Fatalf("it begins with %q", raw[:5])
	}
	key, err := testKey().Decrypt(nil, raw[5:517], &rsa.OAEPOptions{Hash: 5 /* crypto.SHA256 */})
	if err != nil || len(key) != 32 {
		t.Fatalf("a key of %d bytes, %v", len(key), err)
	}
	block, _ := aes.NewCipher(key)
	gcm, _ := cipher.NewGCM(block)
	plaintext, err := gcm.Open(nil, raw[517:529], raw[529:], nil)
	if err != nil || string(plaintext) != "hello" {
		t.Errorf("%q, %v", plaintext, err)
	}
}

func TestNoTwoCiphertextsAreAlike(t *testing.T) {
	t.Parallel()
	one, other := encrypt(t, []byte("hello")), encrypt(t, []byte("hello"))
	for _, part := range [][2]int{{5, 517}, {517, 529}, {529, len(one)}} {
		if bytes.Equal(one[part[0]:part[1]], other[part[0]:part[1]]) {
			t.Errorf("bytes %d to %d are the same", part[0], part[1])
		}
	}
}

func TestWhiteSpaceAroundTheTextFormIsNothing(t *testing.T) {
	t.Parallel()
	armoured := text(encrypt(t, []byte("hello")))
	for _, space := range []string{"\n", "\r\n", " \t\n\n"} {
		for _, ciphertext := range [][]byte{slices.Concat(armoured, []byte(space)), slices.Concat([]byte(Prefix+space), armoured[len(Prefix):])} {
			if got, err := Decrypt(testKey(), ciphertext); err != nil || string(got) != "hello" {
				t.Errorf("with %q: %q, %v", space, got, err)
			}
		}
	}
}

func TestEveryBadCiphertextGivesTheSameError(t *testing.T) {
	t.Parallel()
	raw := encrypt(t, []byte("hello"))
	armoured := text(raw)
	flipped := func(at int) []byte {
		changed := bytes.Clone(raw)
		changed[at] ^= 1
		return changed
	}
	short, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &testKey().PublicKey, make([]byte, 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, ciphertext := range map[string][]byte{
		"nothing":               {},
		"part of the prefix":    []byte("cape"),
		"the prefix alone":      []byte("cape:"),
		"the prefix and spaces": []byte("cape: \n "),
		"another prefix":        append([]byte("CAPE:"), raw[5:]...),
		"space before it":       append([]byte(" "), armoured...),
		"no prefix":             raw[5:],
		"one byte too short":    raw[:Overhead-1],
		"cut off":               raw[:len(raw)-1],
		"longer":                append(bytes.Clone(raw), 0),
		"key changed":           flipped(5),
		"key's end changed":     flipped(516),
		"IV changed":            flipped(517),
		"body changed":          flipped(529),
		"tag changed":           flipped(len(raw) - 1),
		"text cut off":          armoured[:len(armoured)-4],
		"text unpadded":         bytes.TrimRight(armoured, "="),
		"text broken in two":    slices.Concat(armoured[:100], []byte("\n"), armoured[100:]),
		"text of the URL kind":  append([]byte(Prefix), base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 600))...),
		"padding alone":         []byte("cape:===="),
		"a short AES key":       slices.Concat([]byte(Prefix), short, make([]byte, 28)),
		"zeroes":                append([]byte(Prefix), make([]byte, 600)...),
		"text of text":          slices.Concat([]byte(Prefix), []byte(base64.StdEncoding.EncodeToString(armoured))),
	} {
		var failure *Error
		if got, err := Decrypt(testKey(), ciphertext); !errors.As(err, &failure) || *failure != *errCiphertext().(*Error) || got != nil {
			t.Errorf("%s gives %q, %v", name, got, err)
		}
	}
	if _, err := Decrypt(nil, raw); err == nil {
		t.Error("no key is enough")
	}
}

func TestTextWithStrayBitsIsRefused(t *testing.T) {
	t.Parallel()
	armoured := text(encrypt(t, []byte("hello")))
	at := bytes.IndexByte(armoured, '=') - 1
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	armoured[at] = alphabet[bytes.IndexByte([]byte(alphabet), armoured[at])|1]
	if _, err := Decrypt(testKey(), armoured); err == nil {
		t.Error("bits that are not used may be set")
	}
}

func TestAnotherKeyOpensNothing(t *testing.T) {
	t.Parallel()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decrypt(other, encrypt(t, nil)); err == nil {
		t.Error("a key of 2048 bits is taken")
	}
}

func TestPublicKeysThatAreNoneOfCapeAreRefused(t *testing.T) {
	t.Parallel()
	good := public(t, &testKey().PublicKey)
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	even := testKey().PublicKey
	even.E = 4
	for name, der := range map[string][]byte{
		"nothing":    nil,
		"not DER":    []byte("-----BEGIN PUBLIC KEY-----"),
		"cut off":    good[:len(good)-1],
		"trailing":   append(bytes.Clone(good), 0),
		"PKCS#1":     x509.MarshalPKCS1PublicKey(&testKey().PublicKey),
		"2048 bits":  public(t, &small.PublicKey),
		"of a curve": public(t, &curve.PublicKey),
		"even":       public(t, &even),
	} {
		var failure *Error
		if _, err := Encrypt(der, []byte("hello")); !errors.As(err, &failure) || failure.Reason != "argument.key" {
			t.Errorf("Encrypt to %s gives %v", name, err)
		}
		if _, err := EncryptText(der, []byte("hello")); !errors.As(err, &failure) || failure.Reason != "argument.key" {
			t.Errorf("EncryptText to %s gives %v", name, err)
		}
	}
}

func TestALargeRawCiphertextIsCopiedOnce(t *testing.T) {
	const size = 8 << 20
	raw := encrypt(t, make([]byte, size))
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Decrypt(testKey(), raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	if got := result.AllocedBytesPerOp(); got > size*3/2 {
		t.Errorf("%d bytes are allocated to decrypt %d", got, size)
	}
}

func FuzzDecrypt(f *testing.F) {
	raw := encrypt(f, []byte("hello"))
	f.Add(raw)
	f.Add(text(raw))
	f.Add([]byte("cape:"))
	f.Add(append([]byte(Prefix), make([]byte, 540)...))
	f.Fuzz(func(t *testing.T, ciphertext []byte) {
		before := bytes.Clone(ciphertext)
		plaintext, err := Decrypt(testKey(), ciphertext)
		if !bytes.Equal(before, ciphertext) {
			t.Fatal("the ciphertext was changed")
		}
		if err != nil {
			if plaintext != nil || *err.(*Error) != *errCiphertext().(*Error) {
				t.Fatalf("%q, %v", plaintext, err)
			}
			return
		}
		if !bytes.HasPrefix(ciphertext, []byte(Prefix)) || string(plaintext) != "hello" {
			t.Fatalf("%q was made of %q", plaintext, ciphertext)
		}
	})
}

func TestDecryptInPlaceIsDecryptInTheSameMemory(t *testing.T) {
	t.Parallel()
	plaintext := bytes.Repeat([]byte("plaintext"), 100)
	for name, encrypt := range map[string]func(der, plaintext []byte) ([]byte, error){"raw": Encrypt, "text": EncryptText} {
		sealed, err := encrypt(public(t, &testKey().PublicKey), plaintext)
		if err != nil {
			t.Fatal(err)
		}
		damaged := bytes.Clone(sealed)
		damaged[len(damaged)-3] ^= 1
		if got, err := DecryptInPlace(testKey(), damaged); err == nil || bytes.Contains(damaged, []byte("plain")) {
			t.Errorf("%s: damaged, it opens to %d bytes, or they are left there", name, len(got))
		}
		got, err := DecryptInPlace(testKey(), sealed)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if name == "raw" && !bytes.Contains(sealed, plaintext) {
			t.Error("the plaintext has memory of its own")
		}
	}
}
