package serdio_test

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/libcape/libcape/core/serdio"
)

func TestEncodeJSONMakesTheSameAsEncode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		json   string
		args   []any
		kwargs serdio.Map
	}{
		{`{}`, nil, nil},
		{` { "args" : [ ] , "kwargs" : { } } `, nil, nil},
		{`{"args": [3, 4.0]}`, []any{3, 4.0}, nil},
		{"\t{\"kwargs\"\r\n:{\"z\":1,\"a\":[true,false,null]}}", nil, serdio.Map{{Key: "z", Value: 1}, {Key: "a", Value: []any{true, false, nil}}}},
		{`{"args":[-9223372036854775808,18446744073709551615,-0,1e3,-0.0,1E-400]}`, []any{int64(math.MinInt64), uint64(math.MaxUint64), 0, 1000.0, math.Copysign(0, -1), 0.0}, nil},
		{`{"args":["\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t\u0000é😀"]}`, []any{"é😀\"\\/\b\f\n\r\t\x00é😀"}, nil},
		{`{"args":["","a\"b",{"b":{},"":[[],[[]]]}]}`, []any{"", `a"b`, serdio.Map{{Key: "b", Value: serdio.Map{}}, {Key: "", Value: []any{[]any{}, []any{[]any{}}}}}}, nil},
		{`{"args":["\ufffd\\ud800"]}`, []any{"\ufffd\\ud800"}, nil},
		{`{"\u0061rgs":[1]}`, []any{1}, nil},
	}
	for _, test := range tests {
		want, err := serdio.Encode(test.args, test.kwargs)
		if err != nil {
			t.Fatal(err)
		}
		got, err := serdio.EncodeJSON([]byte(test.json))
		if err != nil || hex.EncodeToString(got) != hex.EncodeToString(want) {
			t.Errorf("%s is encoded as\n%x, %v, want\n%x", test.json, got, err, want)
		}
	}
}

func TestEncodeJSONRefusesBadJSON(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return `{"args":[` + strings.Repeat("[", n) + strings.Repeat("]", n) + "]}" }
	if _, err := serdio.EncodeJSON([]byte(deep(510))); err != nil {
		t.Errorf("510 lists: %v", err)
	}
	tests := []struct{ json, reason string }{
		{"", "argument.json"},
		{"{", "argument.json"},
		{"{} {}", "argument.json"},
		{"[]", "argument.json"},
		{"null", "argument.json"},
		{`{"args":[1],}`, "argument.json"},
		{`{"args":[01]}`, "argument.json"},
		{`{"args":[NaN]}`, "argument.json"},
		{`{"args":["` + "\xff" + `"]}`, "argument.json"},
		{`{"args":["` + "\n" + `"]}`, "argument.json"},
		{`{"args":null}`, "argument.json"},
		{`{"args":{}}`, "argument.json"},
		{`{"kwargs":[]}`, "argument.json"},
		{`{"Args":[]}`, "argument.json"},
		{`{"args":[],"more":1}`, "argument.json"},
		{`{"args":[],"args":[]}`, "argument.json"},
		{`{"args":[],"\u0061rgs":[]}`, "argument.json"},
		{`{"args":[{"a":1,"b":2,"a":1}]}`, "argument.json"},
		{`{"args":["\ud800"]}`, "argument.json"},
		{`{"args":["\ud800x"]}`, "argument.json"},
		{`{"args":["\ude00\ud83d"]}`, "argument.json"},
		{`{"args":["\ud800\ud800"]}`, "argument.json"},
		{`{"args":[{"\udc00":1}]}`, "argument.json"},
		{`{"args":[18446744073709551616]}`, "argument.serdio"},
		{`{"args":[-9223372036854775809]}`, "argument.serdio"},
		{`{"args":[1e309]}`, "argument.serdio"},
		{deep(513), "argument.serdio"},
		{deep(5000), "argument.serdio"},
		{deep(1000000), "argument.json"},
		{`{"args":[` + strings.Repeat("[", 511) + "1" + strings.Repeat("]", 511) + "]}", "argument.serdio"},
	}
	for _, test := range tests {
		data, err := serdio.EncodeJSON([]byte(test.json))
		if data != nil {
			t.Errorf("%.60s is encoded as %x", test.json, data)
			continue
		}
		wantReason(t, err, test.reason)
		if !oneLine(err.Error()) {
			t.Errorf("the error is not one line of text: %q", err)
		}
	}
}

func TestDecodeJSONSaysWhatJSONCan(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args []any
		want string
	}{
		{nil, `[]`},
		{[]any{nil}, `null`},
		{[]any{1, "a", serdio.Tuple{true, []any{}}}, `[1,"a",[true,[]]]`},
		{[]any{serdio.Tuple{1}}, `[1]`},
		{[]any{serdio.Map{{Key: "z", Value: 1}, {Key: "a", Value: serdio.Map{}}}}, `{"z":1,"a":{}}`},
		{[]any{5.0}, `5.0`},
		{[]any{[]any{0.0, math.Copysign(0, -1), 0.1, -2.5, 1e20, 1e21, 1e-6, 1e-7, 5e-324, math.MaxFloat64, int64(1 << 53)}},
			`[0.0,-0.0,0.1,-2.5,100000000000000000000.0,1e+21,0.000001,1e-07,5e-324,1.7976931348623157e+308,9007199254740992]`},
		{[]any{[]any{uint64(math.MaxUint64), int64(math.MinInt64)}}, `[18446744073709551615,-9223372036854775808]`},
		{[]any{"\"\\/\b\f\n\r\t\x00\x1f\x7f<é😀\u2028"}, `"\"\\/\u0008\u000c\n\r\t\u0000\u001f` + "\x7f<é😀\u2028" + `"`},
	}
	for _, test := range tests {
		data, err := serdio.Encode(test.args, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := serdio.DecodeJSON(data)
		if err != nil || string(got) != test.want {
			t.Errorf("%v is %s, %v, want %s", test.args, got, err, test.want)
		}
		if !json.Valid(got) {
			t.Errorf("%s is not JSON", got)
		}
	}
}

func TestDecodeJSONRefusesWhatJSONCannotSay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		value any
		text  string
	}{
		{[]byte("secret"), "bytes"},
		{serdio.Set{"secret"}, "a set"},
		{serdio.FrozenSet{"secret"}, "a frozenset"},
		{1i, "complex"},
		{serdio.Ext{Code: 42, Data: []byte("secret")}, "extension of code 42"},
		{math.NaN(), "not a number"},
		{math.Inf(-1), "infinite"},
		{serdio.Map{{Key: 1, Value: "secret"}}, "key that is not text"},
		{serdio.Map{{Key: []byte("secret"), Value: 1}}, "key that is not text"},
		{serdio.Map{{Key: "a", Value: serdio.Tuple{[]any{[]byte{}}}}}, "bytes"},
	}
	for _, test := range tests {
		data, err := serdio.Encode([]any{test.value}, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := serdio.DecodeJSON(data)
		if got != nil {
			t.Errorf("%v is %s", test.value, got)
		}
		wantReason(t, err, "serdio.not_json")
		if !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "secret") {
			t.Errorf("the error for %v is %q, want it to name %q", test.value, err, test.text)
		}
	}
	_, err := serdio.DecodeJSON([]byte{0x80})
	wantReason(t, err, "serdio.envelope")
}
