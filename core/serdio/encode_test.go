package serdio_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/libcape/libcape/core/serdio"
)

// encodeOne returns the bytes of one argument, without the envelope.
func encodeOne(t *testing.T, v any) string {
	t.Helper()
	data, err := serdio.Encode(nil, serdio.Map{{Key: "k", Value: v}})
	if err != nil {
		t.Fatal(err)
	}
	digits, ok := strings.CutPrefix(hex.EncodeToString(data), "82ad5f73657264696f5f617267735fd40290af5f73657264696f5f6b77617267735f81a16b")
	if !ok {
		t.Fatalf("encoded as %s", digits)
	}
	return digits
}

func TestEncodeTakesTheTypesOfGo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		value any
		want  string
	}{
		{int(-1), "ff"}, {int8(-1), "ff"}, {int16(-300), "d1fed4"}, {int32(70000), "ce00011170"}, {int64(1), "01"},
		{uint(200), "ccc8"}, {uint8(200), "ccc8"}, {uint16(1), "01"}, {uint32(1), "01"}, {uintptr(1), "01"},
		{uint64(math.MaxUint64), "cfffffffffffffffff"}, {int64(math.MinInt64), "d38000000000000000"},
		{float32(0.5), "cb3fe0000000000000"}, {complex64(1i), "c71601c7130292cb0000000000000000cb3ff0000000000000"},
		{map[string]any{"b": 1, "a": map[string]any{}}, "82a16180a16201"},
		{[]any(nil), "90"}, {serdio.Map(nil), "80"}, {map[string]any(nil), "80"}, {[]byte(nil), "c400"},
		{serdio.Tuple(nil), "d40290"}, {serdio.Set(nil), "d40390"}, {serdio.FrozenSet(nil), "d40490"},
		{serdio.Ext{Code: 7}, "c70007"}, {serdio.Ext{Code: -128, Data: []byte{1}}, "d48001"},
	}
	for _, test := range tests {
		if got := encodeOne(t, test.value); got != test.want {
			t.Errorf("%T %v is encoded as %s, want %s", test.value, test.value, got, test.want)
		}
	}
}

// Boundaries at which a header grows, beside those of the vectors.
func TestEncodeWritesMinimalHeaders(t *testing.T) {
	t.Parallel()
	filled := func(n int) serdio.Map {
		var m serdio.Map
		for i := range n {
			m = append(m, serdio.Pair{Key: i, Value: nil})
		}
		return m
	}
	tests := []struct {
		value any
		want  string
	}{
		{make([]any, 15), "9f"}, {make([]any, 16), "dc0010"}, {make([]any, 65535), "dcffff"}, {make([]any, 65536), "dd00010000"},
		{filled(15), "8f"}, {filled(16), "de0010"}, {filled(65535), "deffff"}, {filled(65536), "df00010000"},
		{strings.Repeat("a", 31), "bf"}, {strings.Repeat("a", 32), "d920"}, {strings.Repeat("a", 256), "da0100"}, {strings.Repeat("a", 65536), "db00010000"},
		{make([]byte, 255), "c4ff"}, {make([]byte, 256), "c50100"}, {make([]byte, 65536), "c600010000"},
		{serdio.Ext{Code: 5, Data: make([]byte, 16)}, "d805"}, {serdio.Ext{Code: 5, Data: make([]byte, 17)}, "c71105"},
		{serdio.Ext{Code: 5, Data: make([]byte, 256)}, "c8010005"}, {serdio.Ext{Code: 5, Data: make([]byte, 65536)}, "c90001000005"},
	}
	for _, test := range tests {
		if got := encodeOne(t, test.value); !strings.HasPrefix(got, test.want) {
			t.Errorf("a %T is encoded as %.16s, want %s at the start", test.value, got, test.want)
		}
	}
}

func TestEncodeRefusesWhatHasNoForm(t *testing.T) {
	t.Parallel()
	loop := []any{nil}
	loop[0] = loop
	type name string
	tests := map[string]any{
		"a struct":                 struct{}{},
		"a pointer":                new(int),
		"a time":                   time.Now(),
		"a named type":             name("a"),
		"a slice of strings":       []string{"a"},
		"a function":               func() {},
		"text that is not UTF-8":   "\xff",
		"a surrogate":              "\xed\xa0\x80",
		"a key that is not UTF-8":  serdio.Map{{Key: "\xff", Value: 1}},
		"reserved code":            serdio.Ext{Code: 2},
		"a list in a set":          serdio.Set{[]any{}},
		"a list deep in a set":     serdio.Set{serdio.Tuple{serdio.Tuple{[]any{}}}},
		"a set in a frozenset":     serdio.FrozenSet{serdio.Set{}},
		"a map of Go in a set":     serdio.Set{map[string]any{}},
		"a map as a key":           serdio.Map{{Key: serdio.Map{}, Value: 1}},
		"equal keys":               serdio.Map{{Key: "a", Value: 1}, {Key: "a", Value: 2}},
		"keys that Python equates": serdio.Map{{Key: 1, Value: 1}, {Key: true, Value: 2}},
		"equal tuples as keys":     serdio.Map{{Key: serdio.Tuple{1, "a"}, Value: 1}, {Key: serdio.Tuple{1.0, "a"}, Value: 2}},
		"a list in itself":         loop,
	}
	for name, v := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := serdio.Encode([]any{v}, nil)
			wantReason(t, err, "argument.serdio")
			if data != nil || !oneLine(err.Error()) {
				t.Errorf("%x, %v", data, err)
			}
		})
	}
}

func oneLine(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\n") }

func TestEncodeRefusesKeywordsThatAreNotText(t *testing.T) {
	t.Parallel()
	_, err := serdio.Encode(nil, serdio.Map{{Key: 1, Value: 1}})
	wantReason(t, err, "argument.serdio")
}

func TestEncodeWritesEqualElementsOfASetOnce(t *testing.T) {
	t.Parallel()
	pair := serdio.FrozenSet{1, serdio.FrozenSet{2, 3}}
	riap := serdio.FrozenSet{serdio.FrozenSet{3, 2.0, 2}, true}
	tests := []struct {
		value any
		want  string
	}{
		{serdio.Set{1, 1, 2, 1.0, true, 2}, "c70303920102"},
		{serdio.Set{"a", []byte("a"), "a"}, "c7060392a161c40161"},
		{serdio.Set{pair, riap, serdio.Tuple{pair}, 5}, encodeOne(t, serdio.Set{pair, serdio.Tuple{pair}, 5})},
		{serdio.FrozenSet{serdio.Tuple{riap, 1}, serdio.Tuple{pair, 1}, serdio.Tuple{pair, 2}}, encodeOne(t, serdio.FrozenSet{serdio.Tuple{riap, 1}, serdio.Tuple{pair, 2}})},
		{serdio.Set{0.0, math.Copysign(0, -1), 0, false}, "c70a0391cb0000000000000000"},
	}
	for _, test := range tests {
		if got := encodeOne(t, test.value); got != test.want {
			t.Errorf("%v is encoded as %s, want %s", test.value, got, test.want)
		}
	}
}

func TestEncodeLeavesItsArgumentsAlone(t *testing.T) {
	t.Parallel()
	kwargs := append(make(serdio.Map, 0, 4), serdio.Pair{Key: "k", Value: serdio.Set{2, 1, 2}})
	args := []any{serdio.Tuple{serdio.Set{1, 1}}, map[string]any{"b": 1, "a": 2}}
	before := canonical(args) + canonical(kwargs)
	first, err := serdio.Encode(args, kwargs)
	if err != nil {
		t.Fatal(err)
	}
	second, err := serdio.Encode(args, kwargs)
	if err != nil || !bytes.Equal(first, second) || canonical(args)+canonical(kwargs) != before {
		t.Errorf("%x, then %x, %v; arguments %v %v", first, second, err, args, kwargs)
	}
}
