package attest_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"

	"github.com/libcape/libcape/core/attest"
)

func TestTheKeyForResultsIsReadOrRefused(t *testing.T) {
	t.Parallel()
	key := func(bits int) string {
		private, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&private.PublicKey))
	}
	good := key(2048)
	found, err := attest.ResultKey(fmt.Appendf(nil, `{"func_checksum":"AA==","signature_verification_public_key":%q}`, good))
	if err != nil || !bytes.Equal(x509.MarshalPKCS1PublicKey(found), mustDecode(t, good)) {
		t.Errorf("%v, %v", found, err)
	}
	for _, none := range []string{"", "{}", `{"signature_verification_public_key":null}`} {
		if found, err := attest.ResultKey([]byte(none)); found != nil || err != nil {
			t.Errorf("%q: %v, %v", none, found, err)
		}
	}
	for userData, reason := range map[string]string{
		`{"signature_verification_public_key":"` + key(1024) + `"}`: "document.result_key",
		`{"signature_verification_public_key":"AAAA"}`:              "document.result_key",
		`{"signature_verification_public_key":"*"}`:                 "document.result_key",
		`{"signature_verification_public_key":7}`:                   "document.result_key",
		`{"signature_verification_public_key":`:                     "document.user_data_json",
	} {
		found, err := attest.ResultKey([]byte(userData))
		var refused *attest.Error
		if found != nil || !errors.As(err, &refused) || refused.Reason != reason {
			t.Errorf("%.60s: %v, %v", userData, found, err)
		}
	}
}

func mustDecode(t *testing.T, text string) []byte {
	t.Helper()
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}
