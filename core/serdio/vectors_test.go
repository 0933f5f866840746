package serdio_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/libcape/libcape/core/serdio"
)

const vectors = "../../tests/vectors/serdio"

// vector is a case of the files in tests/vectors/serdio; README.md there explains the fields.
type vector map[string]json.RawMessage

func (v vector) text(t *testing.T, field string) string {
	t.Helper()
	if v[field] == nil {
		return ""
	}
	return text(t, v[field])
}

type vectorFile struct {
	Cases      []vector
	DecodeOnly []vector `json:"decode_only"`
	Mended     []struct {
		Name  string
		Patch vector
	}
	Reasons map[string]string
}

func readVectors(t *testing.T, name string) vectorFile {
	t.Helper()
	var file vectorFile
	unmarshal(t, readFile(t, name), &file)
	return file
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(vectors, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// mendedVectors returns the cases of serdio.json as mended.json patches them, and the reasons.
func mendedVectors(t *testing.T) vectorFile {
	t.Helper()
	file, mended := readVectors(t, "serdio.json"), readVectors(t, "mended.json")
	if len(file.Cases) != 105 || len(file.DecodeOnly) != 17 {
		t.Fatalf("%d cases and %d to decode, want 105 and 17", len(file.Cases), len(file.DecodeOnly))
	}
	for _, entry := range mended.Mended {
		patched := false
		for _, v := range slices.Concat(file.Cases, file.DecodeOnly) {
			if v.text(t, "name") != entry.Name {
				continue
			}
			patched = true
			for field, replacement := range entry.Patch {
				if string(replacement) == "null" {
					delete(v, field)
				} else {
					v[field] = replacement
				}
			}
		}
		if !patched {
			t.Errorf("mended.json names %q, which is no case", entry.Name)
		}
	}
	file.Reasons = mended.Reasons
	return file
}

// inexpressible are the cases that Go cannot express, with why. The bytes of those that have any
// are decoded and encoded again all the same.
var inexpressible = map[string]string{
	"int_too_big_pos":                       "no Go integer is so large",
	"int_too_big_neg":                       "no Go integer is so small",
	"unsupported_object":                    "a Python object",
	"unsupported_datetime":                  "a Python object",
	"unsupported_decimal":                   "a Python object",
	"int_subclass":                          "a Python class",
	"intenum":                               "a Python class",
	"dict_subclass":                         "a Python class",
	"namedtuple":                            "a Python class",
	"memoryview":                            "a Python object",
	"range":                                 "a Python object",
	"hook_top_level":                        "hooks are for Python classes",
	"hook_in_list":                          "hooks are for Python classes",
	"hook_in_tuple":                         "hooks are for Python classes",
	"hook_in_dict_kwargs":                   "hooks are for Python classes",
	"hook_two_args":                         "hooks are for Python classes",
	"hook_encoder_no_decoder":               "hooks are for Python classes",
	"hook_encoder_returns_none_for_builtin": "hooks are for Python classes",
	"hook_encoder_returns_none_nested":      "hooks are for Python classes",
	"hook_decoder_applied_to_envelope":      "hooks are for Python classes",
}

func TestEveryVectorEncodesAndDecodes(t *testing.T) {
	t.Parallel()
	file := mendedVectors(t)
	left := 0
	for _, v := range file.Cases {
		name := v.text(t, "name")
		if _, ok := inexpressible[name]; ok {
			left++
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reason := ""
			if v["serialize_error"] != nil {
				if reason = file.Reasons[name]; reason == "" {
					t.Fatal("mended.json has no reason for this failure")
				}
			}
			if _, ok := inexpressible[name]; ok {
				checkBytesOnly(t, v)
				return
			}
			checkCase(t, v, reason)
		})
	}
	if left != len(inexpressible) {
		t.Errorf("%d of the %d cases that are left out exist", left, len(inexpressible))
	}
}

func TestEveryFurtherVectorEncodesAndDecodes(t *testing.T) {
	t.Parallel()
	file := readVectors(t, "further.json")
	for _, v := range file.Cases {
		t.Run(v.text(t, "name"), func(t *testing.T) {
			t.Parallel()
			checkCase(t, v, v.text(t, "reason"))
		})
	}
	for _, v := range file.DecodeOnly {
		t.Run(v.text(t, "name"), func(t *testing.T) {
			t.Parallel()
			checkDecode(t, v, input(t, v), v.text(t, "reason"))
		})
	}
	if len(file.Cases) == 0 || len(file.DecodeOnly) == 0 {
		t.Error("further.json holds no cases")
	}
}

// reprs are the results that serdio.json gives as Python's repr.
var reprs = map[string]any{
	"[1, 2]":          []any{int64(1), int64(2)},
	"1":               int64(1),
	"2":               int64(2),
	"(1+2j)":          1 + 2i,
	"('a', 'b', 'c')": serdio.Tuple{"a", "b", "c"},
}

func TestEveryVectorToDecodeDecodesOrFailsByItsReason(t *testing.T) {
	t.Parallel()
	file := mendedVectors(t)
	for _, v := range file.DecodeOnly {
		name := v.text(t, "name")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			call, err := serdio.Decode(unhex(t, v.text(t, "input_hex")))
			if v["error"] != nil {
				wantReason(t, err, file.Reasons[name])
				return
			}
			want, ok := reprs[v.text(t, "result_repr")]
			if err != nil || !ok || canonical(call.Value()) != canonical(want) {
				t.Errorf("%s, %v, want %s", canonical(call.Value()), err, v["result_repr"])
			}
		})
	}
}

func checkCase(t *testing.T, v vector, reason string) {
	t.Helper()
	args, kwargs := values(t, v["args"]), keywords(t, v["kwargs"])
	encoded, err := serdio.Encode(args, kwargs)
	if reason != "" {
		wantReason(t, err, reason)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	checkBytes(t, v, encoded)
	checkDecode(t, v, encoded, "")
}

func checkBytes(t *testing.T, v vector, encoded []byte) {
	t.Helper()
	digits := hex.EncodeToString(encoded)
	var length int
	unmarshal(t, v["len"], &length)
	if len(encoded) != length {
		t.Errorf("%d bytes, want %d", len(encoded), length)
	}
	if want := v.text(t, "hex"); want != "" && digits != want {
		t.Errorf("encoded\n%s, want\n%s", digits, want)
	}
	if !strings.HasPrefix(digits, v.text(t, "hex_prefix")) || !strings.HasSuffix(digits, v.text(t, "hex_suffix")) {
		t.Errorf("the bytes begin with %.64s", digits)
	}
	digest := sha256.Sum256(encoded)
	if want := v.text(t, "sha256"); want != "" && hex.EncodeToString(digest[:]) != want {
		t.Errorf("sha256 %x, want %s", digest, want)
	}
	if v["hex"] == nil && v["sha256"] == nil {
		t.Error("the case has nothing to compare with")
	}
}

// checkBytesOnly checks that the bytes of a case are those of what they decode to.
func checkBytesOnly(t *testing.T, v vector) {
	t.Helper()
	if v["hex"] == nil {
		if v["serialize_error"] == nil {
			t.Fatal("the case has neither bytes nor an error")
		}
		return
	}
	want := unhex(t, v.text(t, "hex"))
	call, err := serdio.Decode(want)
	if err != nil {
		t.Fatal(err)
	}
	again, err := serdio.Encode(call.Args, call.Kwargs)
	if err != nil || !bytes.Equal(again, want) {
		t.Errorf("encoded again %x, %v, want %x", again, err, want)
	}
}

func checkDecode(t *testing.T, v vector, encoded []byte, reason string) {
	t.Helper()
	call, err := serdio.Decode(encoded)
	if reason != "" {
		wantReason(t, err, reason)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if want, got := canonical(value(t, v["deserialize"])), canonical(call.Value()); got != want {
		t.Errorf("decoded %.300s, want %.300s", got, want)
	}
	if v["as_signature"] == nil {
		return
	}
	var signature struct{ Args, Kwargs json.RawMessage }
	unmarshal(t, v["as_signature"], &signature)
	if want, got := canonical(values(t, signature.Args)), canonical(call.Args); got != want {
		t.Errorf("decoded the arguments %.300s, want %.300s", got, want)
	}
	if want, got := canonical(keywords(t, signature.Kwargs)), canonical(call.Kwargs); got != want {
		t.Errorf("decoded the keyword arguments %.300s, want %.300s", got, want)
	}
}

func input(t *testing.T, v vector) []byte {
	t.Helper()
	var data []byte
	for _, part := range array(t, v["input"]) {
		var digits string
		var times int
		unmarshal(t, part, &[]any{&digits, &times})
		data = append(data, bytes.Repeat(unhex(t, digits), times)...)
	}
	return data
}

func wantReason(t *testing.T, err error, reason string) {
	t.Helper()
	var fault *serdio.Error
	if !errors.As(err, &fault) {
		t.Fatalf("error %v, want one of reason %q", err, reason)
	}
	if fault.Reason != reason {
		t.Errorf("reason %q (%s), want %q", fault.Reason, fault.Text, reason)
	}
}
