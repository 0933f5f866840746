package service

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestTokensOfAnIssuersKeySetAreGood(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "first",
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, set, 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, filepath.Join(t.TempDir(), "data"), "--auth-keys", file, "--auth-audience", "here")
	token := func(audience, id string) string {
		made := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
			"https://capeprivacy.com/username": "ada", "aud": audience, "exp": time.Now().Add(time.Hour).Unix(),
		})
		made.Header["kid"] = id
		text, err := made.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	s.want(token("here", "first"), "list")
	s.wantRefused("auth.rejected", token("there", "first"), "list")
	s.wantRefused("auth.rejected", token("here", "second"), "list")
	s.want(s.token, "list") // the enclave's own go on being good
}
