package service_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/enclave/service"
	"github.com/libcape/libcape/core/enclave/store"
	"github.com/libcape/libcape/core/wire"
)

func TestTokensAreChecked(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clock := func() time.Time { return now }
	issuerKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	strangerKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	s, err := service.New(service.Options{Store: folder, Auth: true, Now: clock, Issuers: []service.Issuer{{Key: &issuerKey.PublicKey}}, Audience: "here"})
	if err != nil {
		t.Fatal(err)
	}
	expiry := now.Add(time.Minute)
	own, err := s.CreateToken("ada", wire.TokenRequest{Expiry: &expiry})
	if err != nil {
		t.Fatal(err)
	}
	signed := func(key any, method jwt.SigningMethod, kid string, claims jwt.MapClaims) string {
		token := jwt.NewWithClaims(method, claims)
		if kid != "" {
			token.Header["kid"] = kid
		}
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	issued := func(changes jwt.MapClaims) jwt.MapClaims {
		claims := jwt.MapClaims{"sub": "github|1", "aud": []string{"here"}, "exp": now.Add(time.Hour).Unix(), "https://capeprivacy.com/username": "ada"}
		for name, value := range changes {
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		}
		return claims
	}
	public, err := x509.MarshalPKIXPublicKey(&issuerKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	unsigned := signed(jwt.UnsafeAllowNoneSignatureType, jwt.SigningMethodNone, "", issued(nil))
	es := jwt.SigningMethodES256
	for name, c := range map[string]struct{ token, user, text string }{
		"its own":                    {own, "ada", ""},
		"an issuer's":                {signed(issuerKey, es, "", issued(nil)), "ada", ""},
		"a nickname":                 {signed(issuerKey, es, "", issued(jwt.MapClaims{"https://capeprivacy.com/username": nil, "sub": "ada", "nickname": "bob"})), "ada", ""},
		"a nickname alone":           {signed(issuerKey, es, "", issued(jwt.MapClaims{"https://capeprivacy.com/username": nil, "sub": nil, "nickname": "bob"})), "", "names no user, neither"},
		"a subject that is no name":  {signed(issuerKey, es, "", issued(jwt.MapClaims{"https://capeprivacy.com/username": nil})), "", "its claim sub, cannot be one here"},
		"the enclave's own name":     {signed(issuerKey, es, "", issued(jwt.MapClaims{"https://capeprivacy.com/username": "local"})), "", "the enclave's own"},
		"a name that leads out":      {signed(issuerKey, es, "", issued(jwt.MapClaims{"https://capeprivacy.com/username": "../x", "sub": ".."})), "", "its claim https://capeprivacy.com/username, cannot be one here"},
		"no expiry":                  {signed(issuerKey, es, "", issued(jwt.MapClaims{"exp": nil})), "", "has no end, its claim exp"},
		"expired":                    {signed(issuerKey, es, "", issued(jwt.MapClaims{"exp": now.Add(-time.Hour).Unix()})), "", "token is expired"},
		"not yet valid":              {signed(issuerKey, es, "", issued(jwt.MapClaims{"nbf": now.Add(time.Hour).Unix()})), "", "not valid yet"},
		"for elsewhere":              {signed(issuerKey, es, "", issued(jwt.MapClaims{"aud": "there"})), "", "for another audience"},
		"for nobody":                 {signed(issuerKey, es, "", issued(jwt.MapClaims{"aud": nil})), "", "for another audience"},
		"a stranger's":               {signed(strangerKey, es, "", issued(nil)), "", "nobody whom"},
		"a stranger's as its own":    {signed(strangerKey, es, "cape-enclave", issued(nil)), "", "not made by this"},
		"unsigned":                   {unsigned, "", "nobody whom"},
		"signed with a public key":   {signed(public, jwt.SigningMethodHS256, "", issued(nil)), "", "nobody whom"},
		"changed":                    {own[:len(own)-4] + "AAAA", "", "not made by this"},
		"no token":                   {"", "", "a token is needed"},
		"no JSON web token":          {"token", "", "no JSON web token"},
		"longer than any token":      {own + strings.Repeat("x", 20<<10), "", "no JSON web token"},
		"an issuer's as its own":     {signed(issuerKey, es, "cape-enclave", issued(nil)), "", "not made by this"},
		"an issuer's for a function": {signed(issuerKey, es, "", issued(jwt.MapClaims{"function_id": "x"})), "ada", ""},
	} {
		by, err := s.Authorise(t.Context(), enclave.Credential{Scheme: "cape.runtime", Token: c.token})
		var refusal *enclave.Refusal
		switch {
		case c.user != "" && (err != nil || by.User != c.user):
			t.Errorf("%s: %+v, %v", name, by, err)
		case c.user == "" && (!errors.As(err, &refusal) || refusal.Status != 401 || !strings.Contains(refusal.Text, c.text)):
			t.Errorf("%s: %+v, %v, want %q", name, by, err, c.text)
		case refusal != nil && c.token != "" && strings.Contains(refusal.Text, c.token) && c.token != "token":
			t.Errorf("%s: the token is in the error", name)
		}
	}
	now = now.Add(time.Hour)
	if _, err := s.Authorise(t.Context(), enclave.Credential{Token: own}); err == nil || !strings.Contains(err.Error(), "token is expired") {
		t.Errorf("its own after its time: %v", err)
	}
}

func TestTokensSayWhatClientsRead(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir(), service.Options{})
	expiry := time.Now().Add(time.Hour)
	var claims map[string]any
	if _, _, err := jwt.NewParser().ParseUnverified(w.token("ada", wire.TokenRequest{Expiry: &expiry}), (*jwt.MapClaims)(&claims)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"iss": "https://capeprivacy.com", "sub": "ada", "https://capeprivacy.com/username": "ada", "nickname": "ada", "exp": float64(expiry.Unix()),
	} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	if aud, ok := claims["aud"].([]any); !ok || len(aud) != 1 || aud[0] != "cape-api" || claims["jti"] == "" || claims["iat"] == nil || claims["nbf"] == nil {
		t.Errorf("%v", claims)
	}
}

func TestADeployersOwnTokensRunTheFunction(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir(), service.Options{Auth: true})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&key.PublicKey)})
	id, err := w.service.Deploy(t.Context(), enclave.Caller{User: "ada"}, enclave.Deployment{TokenKey: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		claims jwt.MapClaims
		fine   bool
	}{
		"the earliest":  {jwt.MapClaims{"sub": id, "exp": time.Now().Add(time.Hour).Unix()}, true},
		"with a scope":  {jwt.MapClaims{"iss": "ada", "sub": id, "scope": "function:invoke function:output", "exp": time.Now().Add(time.Hour).Unix()}, true},
		"another scope": {jwt.MapClaims{"sub": id, "scope": "function:output", "exp": time.Now().Add(time.Hour).Unix()}, false},
		"expired":       {jwt.MapClaims{"sub": id, "exp": time.Now().Add(-time.Hour).Unix()}, false},
		"another id":    {jwt.MapClaims{"sub": "x", "exp": time.Now().Add(time.Hour).Unix()}, false},
	} {
		token, err := jwt.NewWithClaims(jwt.SigningMethodRS256, c.claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		by, err := w.service.Authorise(t.Context(), enclave.Credential{Scheme: "cape.function", Token: token})
		if (err == nil) != c.fine || err == nil && (by.User != "ada" || by.Function != id) {
			t.Errorf("%s: %+v, %v", name, by, err)
		}
	}
	for _, bad := range []string{"no PEM", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})), strings.Repeat("x", 20<<10)} {
		if _, err := w.service.Deploy(t.Context(), enclave.Caller{User: "ada"}, enclave.Deployment{TokenKey: bad}); err == nil {
			t.Errorf("the key %.20q is taken", bad)
		}
	}
}
