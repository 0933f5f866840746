package serdio_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/libcape/libcape/core/serdio"
)

// seeds are the bytes of the vectors, but for the long ones.
func seeds(t testing.TB) [][]byte {
	t.Helper()
	var data [][]byte
	for _, name := range []string{"serdio.json", "further.json"} {
		raw, err := os.ReadFile(filepath.Join(vectors, name))
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Cases      []struct{ Hex string }
			DecodeOnly []struct {
				Hex   string `json:"input_hex"`
				Input [][2]any
			} `json:"decode_only"`
		}
		if err := json.Unmarshal(raw, &file); err != nil {
			t.Fatal(err)
		}
		for _, v := range file.Cases {
			data = append(data, unhex(t, v.Hex))
		}
		for _, v := range file.DecodeOnly {
			digits := v.Hex
			for _, part := range v.Input {
				digits += strings.Repeat(part[0].(string), int(min(part[1].(float64), 600)))
			}
			data = append(data, unhex(t, digits))
		}
	}
	if len(data) < 100 {
		t.Fatalf("only %d seeds", len(data))
	}
	return data
}

func FuzzDecode(f *testing.F) {
	for _, data := range seeds(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		call, err := serdio.Decode(data)
		if err != nil {
			wantFault(t, err, "serdio.")
			return
		}
		encoded, err := serdio.Encode(call.Args, call.Kwargs)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		again, err := serdio.Decode(encoded)
		if err != nil {
			t.Fatalf("what was encoded cannot be decoded: %v", err)
		}
		if canonical(call.Args) != canonical(again.Args) || canonical(call.Kwargs) != canonical(again.Kwargs) {
			t.Errorf("%v became %v", call, again)
		}
		twice, err := serdio.Encode(again.Args, again.Kwargs)
		if err != nil || !bytes.Equal(encoded, twice) {
			t.Errorf("encoded as %x, then as %x, %v", encoded, twice, err)
		}
	})
}

func FuzzDecodeJSON(f *testing.F) {
	for _, data := range seeds(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := serdio.DecodeJSON(data)
		if err != nil {
			wantFault(t, err, "serdio.")
			return
		}
		call, err := serdio.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		// The way back gives the same, but that tuples have become lists.
		input := append(append([]byte(`{"args":[`), text...), "]}"...)
		encoded, err := serdio.EncodeJSON(input)
		if err != nil {
			var fault *serdio.Error
			if errors.As(err, &fault) && fault.Reason == "argument.serdio" && strings.Contains(fault.Text, "nested too deep") {
				return // tuples nest deeper than lists
			}
			t.Fatalf("%v in %s", err, input)
		}
		again, err := serdio.Decode(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if want, got := canonical(asJSON(call.Value())), canonical(again.Value()); got != want {
			t.Errorf("%s became %s", want, got)
		}
	})
}

func FuzzEncodeJSON(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"args":[3,4]}`, `{"args":[1.5,-0,1e5,18446744073709551615,-9223372036854775808],"kwargs":{"a":{"b":[true,false,null]}}}`,
		`{"args":["\ud83d\ude00\n\"\\\/é😀"],"kwargs":{"":""}}`, ` { "args" : [ [ ] , { } , "" ] } `, `{"args":["\ud800"]}`, `{"args":[1],"args":[2]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		encoded, err := serdio.EncodeJSON(text)
		if err != nil {
			wantFault(t, err, "argument.")
			return
		}
		call, err := serdio.Decode(encoded)
		if err != nil {
			t.Fatal(err)
		}
		// encoding/json, whose errors and roundings differ, must have read the same text.
		var want struct {
			Args   []any
			Kwargs map[string]any
		}
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatalf("encoding/json refuses it: %v", err)
		}
		got, err := serdio.DecodeJSON(encoded)
		if err != nil {
			t.Fatal(err)
		}
		var args any
		if err := json.Unmarshal(got, &args); err != nil {
			t.Fatal(err)
		}
		if len(call.Args) == 1 {
			args = []any{args}
		}
		if a, b := marshal(t, positive(args)), marshal(t, positive(want.Args)); len(want.Args) != len(call.Args) || len(want.Args) > 0 && a != b {
			t.Errorf("read %s, want %s", a, b)
		}
		if len(call.Kwargs) != len(want.Kwargs) {
			t.Errorf("%d keyword arguments, want %d", len(call.Kwargs), len(want.Kwargs))
		}
	})
}

// positive makes the zeros of a value positive: -0 is an integer for serdio, as it is for Python,
// but a float for encoding/json.
func positive(v any) any {
	switch v := v.(type) {
	case float64:
		return v + 0
	case []any:
		for n, item := range v {
			v[n] = positive(item)
		}
	case map[string]any:
		for name, item := range v {
			v[name] = positive(item)
		}
	}
	return v
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// asJSON is what JSON makes of a value: a tuple becomes a list.
func asJSON(v any) any {
	switch v := v.(type) {
	case serdio.Tuple:
		return asJSON([]any(v))
	case []any:
		items := []any{}
		for _, item := range v {
			items = append(items, asJSON(item))
		}
		return items
	case serdio.Map:
		pairs := serdio.Map{}
		for _, pair := range v {
			pairs = append(pairs, serdio.Pair{Key: pair.Key, Value: asJSON(pair.Value)})
		}
		return pairs
	}
	return v
}

func wantFault(t *testing.T, err error, prefix string) {
	t.Helper()
	var fault *serdio.Error
	if !errors.As(err, &fault) || !strings.HasPrefix(fault.Reason, prefix) || len(fault.Reason) > 63 ||
		fault.Text == "" || strings.ContainsRune(fault.Text, '\n') {
		t.Errorf("error %#v, want one with a reason of %s", err, prefix)
	}
}
