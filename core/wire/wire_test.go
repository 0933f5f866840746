package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestStartCarriesTheNonceAsOneBase64Field(t *testing.T) {
	t.Parallel()
	if got := string(EncodeStart([]byte("nonce"))); got != `{"message":{"nonce":"bm9uY2U="}}` {
		t.Errorf("the first message is %s", got)
	}
}

// The forms that the original clients send.
func TestDecodeStartTakesEveryClientsForm(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ frame, nonce string }{
		"ours":          {`{"message":{"nonce":"bm9uY2U="}}`, "nonce"},
		"eight digits":  {`{"message": {"nonce": "12345678"}}`, "\xd7\x6d\xf8\xe7\xae\xfc"},
		"with metadata": {`{"message":{"nonce":"bm9uY2U="},"metadata":{"function_authentication_type":""}}` + "\n", "nonce"},
		"old tokens":    {`{"message":{"auth_token":"a","function_token":"b","nonce":"bm9uY2U="}}`, "nonce"},
	} {
		nonce, err := DecodeStart([]byte(c.frame))
		if err != nil || string(nonce) != c.nonce {
			t.Errorf("%s: %q, %v", name, nonce, err)
		}
	}
}

func TestAStartSaysWhetherResultsAreToBeSigned(t *testing.T) {
	t.Parallel()
	unsigned := EncodeUnsignedStart([]byte("nonce"))
	if nonce, err := DecodeStart(unsigned); err != nil || string(nonce) != "nonce" || !IsUnsignedStart(unsigned) {
		t.Errorf("%s: %q, %v", unsigned, nonce, err)
	}
	for _, frame := range []string{string(EncodeStart([]byte("nonce"))), `{"message":{"nonce":"bm9uY2U=","unsigned_results":"true"}}`, `{"message":{"unsigned_results":null}}`, "no JSON"} {
		if IsUnsignedStart([]byte(frame)) {
			t.Errorf("%s is taken for one without signatures", frame)
		}
	}
}

func TestAttestationComesBack(t *testing.T) {
	t.Parallel()
	frame := EncodeAttestation([]byte{0x84, 0x44})
	var loose map[string]any
	if err := json.Unmarshal(frame, &loose); err != nil {
		t.Fatal(err)
	}
	if _, there := loose["error"]; there {
		t.Error("a success has a member error, which the original clients take for a failure")
	}
	document, err := DecodeAttestation(frame)
	if err != nil || !bytes.Equal(document, []byte{0x84, 0x44}) {
		t.Errorf("%x, %v", document, err)
	}
}

func TestResultComesBack(t *testing.T) {
	t.Parallel()
	for _, output := range [][]byte{nil, {}, []byte("x"), bytes.Repeat([]byte{0xff}, 100_000)} {
		want := Result{Output: output, Checksums: &Checksums{Input: make([]byte, 32), Function: make([]byte, 32), Output: make([]byte, 32)}, SignedChecksums: []byte("s")}
		got, err := DecodeResult(EncodeResult(want))
		if err != nil || !bytes.Equal(got.Output, output) || got.Checksums == nil || string(got.SignedChecksums) != "s" {
			t.Errorf("%d bytes: %v", len(output), err)
		}
	}
	if !strings.Contains(string(EncodeResult(Result{})), `"message":""`) {
		t.Error("an empty output is not an empty string, which the original clients need")
	}
}

func TestDecodeResultTakesWhatOldServersSent(t *testing.T) {
	t.Parallel()
	for name, frame := range map[string]string{
		"type and message": `{"message":{"type":"function_result","message":"eA=="}}`,
		"null extras":      `{"error":null,"message":{"type":"function_result","message":"eA==","checksums":null,"signed_checksums":null,"raw_attestation_document":null}}`,
		"escaped base64":   `{"message":{"message":"e\u0041\u003d="}}`,
	} {
		result, err := DecodeResult([]byte(frame))
		if err != nil || string(result.Output) != "x" {
			t.Errorf("%s: %q, %v", name, result.Output, err)
		}
	}
}

func TestServerErrorIsTold(t *testing.T) {
	t.Parallel()
	for _, frame := range []string{string(EncodeError("no such thing")), `{"message":null,"error":"no such\nthing"}`} {
		var said *ServerError
		if _, err := DecodeResult([]byte(frame)); !errors.As(err, &said) || said.Text != "no such thing" {
			t.Errorf("%s gives %v", frame, err)
		}
		if _, err := DecodeAttestation([]byte(frame)); !errors.As(err, &said) {
			t.Errorf("%s gives %v at the start", frame, err)
		}
	}
	var said *ServerError
	_, err := DecodeResult(EncodeError(strings.Repeat("é", 1<<20)))
	if !errors.As(err, &said) || len(said.Text) > maxErrorText+10 || !utf8.ValidString(said.Text) {
		t.Error("a peer's error text is not bounded")
	}
}

func TestDecodeNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ frame, reason string }{
		"nothing":             {``, "protocol.json"},
		"not JSON":            {`<html>`, "protocol.json"},
		"cut":                 {`{"message":{"message":"eA==`, "protocol.json"},
		"array":               {`[]`, "protocol.json"},
		"trailing data":       {`{"message":{"message":"eA=="}}{}`, "protocol.json"},
		"duplicate message":   {`{"message":{"message":"eA=="},"message":{"message":"eQ=="}}`, "protocol.json"},
		"duplicate inside":    {`{"message":{"message":"eA==","message":"eQ=="}}`, "protocol.json"},
		"not UTF-8":           {"{\"message\":{\"message\":\"\xff\"}}", "protocol.json"},
		"raw control char":    {"{\"x\":\"\x01\",\"message\":{\"message\":\"eA==\"}}", "protocol.json"},
		"bad escape":          {`{"x":"\q","message":{"message":"eA=="}}`, "protocol.json"},
		"bad number":          {`{"x":01,"message":{"message":"eA=="}}`, "protocol.json"},
		"duplicate elsewhere": {`{"x":{"a":1,"a":2},"message":{"message":"eA=="}}`, "protocol.json"},
		"duplicate by escape": {`{"message":{"message":"eA==","m\u0065ssage":"eQ=="}}`, "protocol.json"},
		"deep":                {`{"message":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, "protocol.json"},
		"no message":          {`{}`, "protocol.message"},
		"null":                {`{"message":null}`, "protocol.message"},
		"message is text":     {`{"message":"eA=="}`, "protocol.message"},
		"other case":          {`{"Message":{"message":"eA=="}}`, "protocol.message"},
		"no inner message":    {`{"message":{"type":"function_result"}}`, "protocol.message"},
		"inner null":          {`{"message":{"message":null}}`, "protocol.message"},
		"inner number":        {`{"message":{"message":5}}`, "protocol.message"},
		"another type":        {`{"message":{"type":"attestation_doc","message":"eA=="}}`, "protocol.message"},
		"error is no text":    {`{"error":{}}`, "protocol.message"},
		"not base64":          {`{"message":{"message":"%%%"}}`, "protocol.base64"},
		"no padding":          {`{"message":{"message":"eA"}}`, "protocol.base64"},
		"url alphabet":        {`{"message":{"message":"-_-_"}}`, "protocol.base64"},
		"line break":          {`{"message":{"message":"eA=\n="}}`, "protocol.base64"},
		"stray bits":          {`{"message":{"message":"eB=="}}`, "protocol.base64"},
		"checksum incomplete": {`{"message":{"message":"eA==","checksums":{"input":"eA=="}}}`, "protocol.message"},
	} {
		var broken *Error
		if _, err := DecodeResult([]byte(c.frame)); !errors.As(err, &broken) || broken.Reason != c.reason {
			t.Errorf("%s gives %v, not %s", name, err, c.reason)
		}
	}
}

func FuzzDecodeResult(f *testing.F) {
	f.Add(EncodeResult(Result{Output: []byte("x"), Checksums: &Checksums{}}))
	f.Add(EncodeError("no"))
	f.Add([]byte(`{"message":{"message":"e\u0041=="}}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		result, err := DecodeResult(frame)
		if err != nil {
			return
		}
		// What is accepted has one meaning: encoding/json, told the exact names, finds the same.
		var outer, inner map[string]json.RawMessage
		var output []byte
		for _, step := range []error{
			json.Unmarshal(frame, &outer), json.Unmarshal(outer["message"], &inner), json.Unmarshal(inner["message"], &output),
		} {
			if step != nil {
				t.Fatalf("accepted, but encoding/json says %v", step)
			}
		}
		if !bytes.Equal(output, result.Output) {
			t.Fatal("another output than encoding/json finds")
		}
	})
}

func BenchmarkDecodeResult16MiB(b *testing.B) {
	frame := EncodeResult(Result{Output: make([]byte, 16<<20)})
	b.SetBytes(16 << 20)
	for b.Loop() {
		if _, err := DecodeResult(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSignedBytesAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	sum := func(text string) []byte { s := sha256.Sum256([]byte(text)); return s[:] }
	signed := Checksums{Input: sum("hello"), Function: sum(""), Output: sum("hello")}.SignedBytes()
	if digest := hex.EncodeToString(sum(string(signed))); digest != "0a9f7c3928ef0aeea2d292788e865feb809ec0182974d0e4970e5a805f0694af" {
		t.Errorf("%q has the digest %s", signed, digest)
	}
}
