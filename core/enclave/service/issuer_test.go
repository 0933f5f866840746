package service_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/enclave/service"
	"github.com/libcape/libcape/core/enclave/store"
)

func encoded(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// signers are one of each kind, with the key that goes into a set.
func signers(t *testing.T) (keys map[string]crypto.Signer, set map[string]map[string]any) {
	t.Helper()
	rsaKey, rsaErr := rsa.GenerateKey(rand.Reader, 2048)
	p256, p256Err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, p384Err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, edwards, edErr := ed25519.GenerateKey(rand.Reader)
	for _, err := range []error{rsaErr, p256Err, p384Err, edErr} {
		if err != nil {
			t.Fatal(err)
		}
	}
	point := func(key *ecdsa.PublicKey, name string) map[string]any {
		raw, err := key.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		half := len(raw) / 2
		return map[string]any{"kty": "EC", "crv": name, "x": encoded(raw[1 : 1+half]), "y": encoded(raw[1+half:])}
	}
	return map[string]crypto.Signer{"rsa": rsaKey, "p256": p256, "p384": p384, "edwards": edwards}, map[string]map[string]any{
		"rsa":     {"kty": "RSA", "n": encoded(rsaKey.N.Bytes()), "e": "AQAB", "alg": "RS256", "use": "sig", "x5t": "ignored"},
		"p256":    point(&p256.PublicKey, "P-256"),
		"p384":    point(&p384.PublicKey, "P-384"),
		"edwards": {"kty": "OKP", "crv": "Ed25519", "x": encoded(edwards.Public().(ed25519.PublicKey)), "key_ops": []string{"verify"}},
	}
}

func keySet(t *testing.T, keys ...map[string]any) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTokensOfAKeySetsKeysAreGood(t *testing.T) {
	t.Parallel()
	keys, set := signers(t)
	var all []map[string]any
	for name, key := range set {
		key["kid"] = name
		all = append(all, key)
	}
	all = append(all, map[string]any{"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"}, map[string]any{"kty": "new"},
		map[string]any{"kty": "EC", "crv": "secp256k1"}, map[string]any{"kty": "OKP", "crv": "X25519"})
	issuers, err := service.ParseIssuers(keySet(t, all...))
	if err != nil || len(issuers) != len(keys) {
		t.Fatalf("%d keys, %v", len(issuers), err)
	}
	folder, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	s, err := service.New(service.Options{Store: folder, Auth: true, Issuers: issuers})
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(keys["rsa"].Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key    any
		method jwt.SigningMethod
		header map[string]any
		fine   bool
	}{
		"RSA":                             {keys["rsa"], jwt.SigningMethodRS256, map[string]any{"kid": "rsa"}, true},
		"P-256":                           {keys["p256"], jwt.SigningMethodES256, map[string]any{"kid": "p256"}, true},
		"P-384":                           {keys["p384"], jwt.SigningMethodES384, map[string]any{"kid": "p384"}, true},
		"Ed25519":                         {keys["edwards"], jwt.SigningMethodEdDSA, map[string]any{"kid": "edwards"}, true},
		"no key named":                    {keys["p256"], jwt.SigningMethodES256, nil, true},
		"another key named":               {keys["p256"], jwt.SigningMethodES256, map[string]any{"kid": "p384"}, false},
		"no such key":                     {keys["p256"], jwt.SigningMethodES256, map[string]any{"kid": "../p256"}, false},
		"a name that is no text":          {keys["p256"], jwt.SigningMethodES256, map[string]any{"kid": []string{"p256"}}, true},
		"a way that the set does not say": {keys["rsa"], jwt.SigningMethodPS256, map[string]any{"kid": "rsa"}, false},
		"the public key as a secret":      {public, jwt.SigningMethodHS256, map[string]any{"kid": "rsa"}, false},
		"its PEM as a secret":             {pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), jwt.SigningMethodHS256, nil, false},
		"no signature":                    {jwt.UnsafeAllowNoneSignatureType, jwt.SigningMethodNone, map[string]any{"kid": "rsa"}, false},
		"a key in the token":              {keys["rsa"], jwt.SigningMethodRS256, map[string]any{"kid": "x", "jwk": set["rsa"], "jku": "http://127.0.0.1/"}, false},
		"what is critical":                {keys["p256"], jwt.SigningMethodES256, map[string]any{"crit": []string{"b64"}, "b64": true}, false},
	} {
		token := jwt.NewWithClaims(c.method, jwt.MapClaims{"https://capeprivacy.com/username": "ada", "exp": time.Now().Add(time.Hour).Unix()})
		maps.Copy(token.Header, c.header)
		text, err := token.SignedString(c.key)
		if err != nil {
			t.Fatal(err)
		}
		by, err := s.Authorise(t.Context(), enclave.Credential{Token: text})
		if (err == nil) != c.fine || c.fine && by.User != "ada" {
			t.Errorf("%s: %+v, %v", name, by, err)
		}
	}
}

func TestKeysInPEMAreRead(t *testing.T) {
	t.Parallel()
	keys, _ := signers(t)
	var all []byte
	for name, key := range keys {
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		one := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		if _, err := service.ParsePublicKey(one); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		all = append(all, one...)
	}
	if found, err := service.ParseIssuers(all); err != nil || len(found) != len(keys) {
		t.Errorf("%d keys, %v", len(found), err)
	}
	if _, err := service.ParsePublicKey(all); err == nil {
		t.Error("of several keys one is taken")
	}
	if _, err := service.ParseIssuers(append(all, "more"...)); err == nil {
		t.Error("what follows the keys is passed over")
	}
}

func TestUnfitKeySetsAreRefused(t *testing.T) {
	t.Parallel()
	_, set := signers(t)
	with := func(name string, changes map[string]any) []byte {
		key := maps.Clone(set[name])
		for member, value := range changes {
			if key[member] = value; value == nil {
				delete(key, member)
			}
		}
		return keySet(t, key)
	}
	even := new(big.Int).Lsh(big.NewInt(1), 2047)
	for text, sets := range map[string][][]byte{
		"it is empty":            {nil, []byte(" \n")},
		"it is no PEM":           {[]byte("key"), []byte("[]")},
		"no JSON Web Key Set":    {[]byte("{"), []byte("{}"), []byte(`{"keys":{}}`), []byte(`{"keys":[1]}`), []byte(`{"Keys":[]}` + " x"), []byte(`{"keys":[],"keys":[]}`)},
		"has no key that signs":  {[]byte(`{"keys":[]}`), []byte(`{"keys":null}`), with("rsa", map[string]any{"use": "enc"}), with("p256", map[string]any{"key_ops": []string{"sign"}})},
		"secret key":             {with("p256", map[string]any{"d": "AQAB"}), keySet(t, map[string]any{"kty": "oct", "k": "AQAB"})},
		`no "kty"`:               {with("rsa", map[string]any{"kty": nil})},
		`"kty" is no text`:       {with("rsa", map[string]any{"kty": 1})},
		`"kid" is no text`:       {with("rsa", map[string]any{"kid": []string{"x"}})},
		`"n" is not`:             {with("rsa", map[string]any{"n": nil}), with("rsa", map[string]any{"n": "AA" + set["rsa"]["n"].(string)}), with("rsa", map[string]any{"n": "++"})},
		"bits":                   {with("rsa", map[string]any{"n": "AQAB"}), with("rsa", map[string]any{"n": encoded(even.Lsh(even, 8000).Bytes())})},
		"exponent":               {with("rsa", map[string]any{"e": "AQ"}), with("rsa", map[string]any{"e": "Ag"}), with("rsa", map[string]any{"e": "AQAAAAAB"})},
		`"x" is not`:             {with("p256", map[string]any{"x": "AQAB"}), with("p256", map[string]any{"x": set["p256"]["x"].(string) + "="}), with("edwards", map[string]any{"x": "AQAB"})},
		"no point":               {with("p256", map[string]any{"y": set["p256"]["x"]})},
		"does not go with it":    {with("p256", map[string]any{"alg": "RS256"}), with("rsa", map[string]any{"alg": "HS256"}), with("rsa", map[string]any{"alg": "none"})},
		"what the enclave calls": {with("p256", map[string]any{"kid": "cape-enclave"})},
		"that of another key":    {keySet(t, map[string]any{"kty": "new"}, merge(set["p256"], "kid", "x"), merge(set["p384"], "kid", "x"))},
		"it may have 100":        {keySet(t, make([]map[string]any, 101)...)},
		"give the keys alone":    {[]byte(strings.Repeat(" ", 2<<20))},
	} {
		for i, set := range sets {
			if found, err := service.ParseIssuers(set); err == nil || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%d of %q: %d keys, %v", i, text, len(found), err)
			}
		}
	}
}

func merge(key map[string]any, name string, value any) map[string]any {
	merged := maps.Clone(key)
	merged[name] = value
	return merged
}

// FuzzParseIssuers wants whatever is taken to be of use.
func FuzzParseIssuers(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"OKP","crv":"Ed25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","kid":"x"}]}`))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n"))
	folder, err := store.Open(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		issuers, err := service.ParseIssuers(text)
		if err != nil {
			return
		}
		if _, err := service.New(service.Options{Store: folder, Issuers: issuers}); err != nil || len(issuers) == 0 {
			t.Errorf("%d keys are taken, and then %v", len(issuers), err)
		}
	})
}
