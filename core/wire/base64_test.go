package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
)

// reference decodes as the protocol says, with the standard library alone.
func reference(text []byte) ([]byte, bool) {
	if bytes.ContainsAny(text, "\r\n") {
		return nil, false
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil {
		return nil, false
	}
	return decoded, true
}

func compareBase64(t *testing.T, text []byte) {
	t.Helper()
	got, err := decodeBase64(value{raw: append(append([]byte{'"'}, text...), '"')}, "it")
	want, ok := reference(text)
	if (err == nil) != ok || !bytes.Equal(got, want) {
		t.Fatalf("%q: %x, %v; the standard library says %x, %v", text, got, err, want, ok)
	}
}

func TestBase64OfEveryLengthIsThatOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	data := make([]byte, 600)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	for n := range data {
		text := []byte(base64.StdEncoding.EncodeToString(data[:n]))
		compareBase64(t, text)
		frame := EncodeResult(Result{Output: data[:n]})
		if result, err := DecodeResult(frame); err != nil || !bytes.Equal(result.Output, data[:n]) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if !bytes.Contains(frame, text) {
			t.Fatalf("%d bytes: the reply is %s", n, frame)
		}
	}
}

func TestBase64WithAnyOneWrongCharacterIsRefused(t *testing.T) {
	t.Parallel()
	text := []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xa5, 0, 0xff}, 64)))
	for at := range text {
		for c := range 256 {
			if c == '"' || c == '\\' {
				continue // end or change the JSON string
			}
			changed := bytes.Clone(text)
			changed[at] = byte(c)
			compareBase64(t, changed)
		}
	}
}

func TestAReplyIsWhatEncodingJSONWouldMakeOfIt(t *testing.T) {
	t.Parallel()
	for _, r := range []Result{
		{}, {Output: []byte("output")}, {Output: []byte{0xff, 0xfe}, SignedChecksums: bytes.Repeat([]byte{7}, 512)},
		{Output: []byte{1}, Checksums: &Checksums{Input: make([]byte, 32), Function: make([]byte, 32), Output: bytes.Repeat([]byte{9}, 32)}},
	} {
		message := map[string]any{"type": "function_result", "message": append([]byte{}, r.Output...)}
		if r.Checksums != nil {
			message["checksums"] = r.Checksums
		}
		if r.SignedChecksums != nil {
			message["signed_checksums"] = r.SignedChecksums
		}
		want, err := json.Marshal(map[string]any{"message": message})
		if err != nil {
			t.Fatal(err)
		}
		if got := EncodeResult(r); !bytes.Equal(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestPlainTextIsToldFromOther(t *testing.T) {
	t.Parallel()
	for length := range 40 {
		for at := range length {
			for c := range 256 {
				text := []byte(strings.Repeat("A", length))
				text[at] = byte(c)
				if got, want := isPlain(text), c >= ' ' && c < 0x80 && c != '\\'; got != want {
					t.Fatalf("%q: %v", text, got)
				}
			}
		}
	}
}

func FuzzBase64(f *testing.F) {
	for _, seed := range []string{"", "AA==", "AAA=", "AAAA", strings.Repeat("QUJD", 40) + "QQ==", "A\nAA", "AB=="} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.ContainsAny(text, "\"\\") {
			return
		}
		compareBase64(t, text)
	})
}

func BenchmarkEncodeResult16MiB(b *testing.B) {
	output := make([]byte, 16<<20)
	b.SetBytes(16 << 20)
	for b.Loop() {
		EncodeResult(Result{Output: output})
	}
}
