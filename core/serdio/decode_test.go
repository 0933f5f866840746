package serdio_test

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/libcape/libcape/core/serdio"
)

func TestDecodeKeepsNothingOfItsInput(t *testing.T) {
	t.Parallel()
	data, err := serdio.Encode([]any{[]byte("bytes"), "text", serdio.Ext{Code: 9, Data: []byte("ext")}, serdio.Map{{Key: []byte("key"), Value: 1}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	call, err := serdio.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	before := canonical(call.Args)
	clear(data)
	if after := canonical(call.Args); after != before {
		t.Errorf("the result changed with the input from %s to %s", before, after)
	}
}

func TestDecodeLeavesItsInputAlone(t *testing.T) {
	t.Parallel()
	for _, data := range seeds(t) {
		before := bytes.Clone(data)
		_, _ = serdio.Decode(data[:len(data):len(data)])
		if !bytes.Equal(data, before) {
			t.Errorf("%x became %x", before, data)
		}
	}
}

func TestDecodeRefusesEveryPrefix(t *testing.T) {
	t.Parallel()
	data, err := serdio.Encode([]any{1, 2.5, "text", []byte("bytes"), serdio.Tuple{1i, serdio.Set{1}}, []any{nil}},
		serdio.Map{{Key: "k", Value: serdio.Ext{Code: 9, Data: []byte("ext")}}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		_, err := serdio.Decode(data[:n])
		wantReason(t, err, "serdio.truncated")
	}
}

func TestDecodeRefusesComplexOfOtherThings(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{"90", "9101", "93010203", "92c001", "9201c0", "81c001", "d40190", "d5029101", "d40305"} {
		b := unhex(t, payload)
		_, err := serdio.Decode(argument(t, append([]byte{0xc7, byte(len(b)), 1}, b...)))
		wantReason(t, err, "serdio.type")
	}
	_, err := serdio.Decode(argument(t, unhex(t, "c70501c702029201")))
	wantReason(t, err, "serdio.truncated")
}

func TestDecodeMakesComplexOfWhatPythonDoes(t *testing.T) {
	t.Parallel()
	const one, negativeZero = "c71601c7130292cb3ff0000000000000cb4000000000000000", "cb8000000000000000" // 1+2j
	tests := map[string]complex128{
		"92c305": 1 + 5i, "92c2c3": 1i, "92" + one + "05": 1 + 7i, "9205" + one: 3 + 1i, "92" + one + one: -1 + 3i,
		"92" + negativeZero + negativeZero: complex(math.Copysign(0, -1), math.Copysign(0, -1)),
	}
	for payload, want := range tests {
		b := unhex(t, payload)
		call, err := serdio.Decode(argument(t, ext32(1, b)))
		if err != nil || canonical(call.Value()) != canonical(want) {
			t.Errorf("%s is %v, %v, want %v", payload, call.Value(), err, want)
		}
	}
}

func TestDecodeKeepsNaNsApart(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	want := []any{
		serdio.Set{nan, nan, 1.0},
		serdio.Map{{Key: nan, Value: int64(1)}, {Key: nan, Value: int64(2)}, {Key: complex(0, nan), Value: int64(3)}, {Key: complex(0, nan), Value: int64(4)}},
		serdio.FrozenSet{serdio.Tuple{nan}, serdio.Tuple{nan}},
	}
	data, err := serdio.Encode(want, nil)
	if err != nil {
		t.Fatal(err)
	}
	if call, err := serdio.Decode(data); err != nil || canonical(call.Args) != canonical(want) {
		t.Errorf("%v, %v, want %v", call.Args, err, want)
	}
}

// The numbers at the edges of what integers and floats have in common.
func TestKeysAreEqualAsInPython(t *testing.T) {
	t.Parallel()
	inf := math.Inf(1)
	tests := []struct {
		a, b  any
		equal bool
	}{
		{int64(1), true, true}, {int64(0), false, true}, {int64(0), math.Copysign(0, -1), true}, {1.0, complex(1, 0), true},
		{int64(math.MinInt64), -float64(1 << 63), true}, {uint64(1 << 63), float64(1 << 63), true},
		{uint64(math.MaxUint64), float64(1 << 64), false}, {int64(math.MaxInt64), float64(1 << 63), false},
		{int64(1<<53 + 1), float64(1 << 53), false}, {uint64(1 << 63), int64(math.MinInt64), false},
		{inf, inf, true}, {inf, -inf, false}, {inf, uint64(math.MaxUint64), false}, {0.5, 0.5, true}, {1i, -1i, false},
		{complex(0, 1), complex(math.Copysign(0, -1), 1), true}, {complex(inf, 0), inf, true},
		{"a", []byte("a"), false}, {"", nil, false}, {false, nil, false}, {"1", int64(1), false},
		{serdio.Tuple{}, serdio.FrozenSet{}, false}, {serdio.Tuple{int64(1)}, serdio.Tuple{1.0}, true},
		{serdio.Tuple{int64(1), int64(2)}, serdio.Tuple{int64(2), int64(1)}, false},
		{serdio.Tuple{serdio.Tuple{int64(1)}, int64(2)}, serdio.Tuple{serdio.Tuple{int64(1), int64(2)}}, false},
		{serdio.FrozenSet{int64(1), int64(2)}, serdio.FrozenSet{int64(2), int64(1)}, true},
		{serdio.FrozenSet{int64(1), int64(4)}, serdio.FrozenSet{int64(2), int64(3)}, false},
		{serdio.Ext{Code: 5, Data: []byte("a")}, serdio.Ext{Code: 5, Data: []byte("a")}, true},
		{serdio.Ext{Code: 5, Data: []byte("a")}, serdio.Ext{Code: 6, Data: []byte("a")}, false},
		{serdio.Ext{Code: 5, Data: []byte("a")}, []byte("a"), false},
	}
	for _, test := range tests {
		data, err := serdio.Encode([]any{serdio.Set{test.a, test.b}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		call, err := serdio.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		want := 2
		if test.equal {
			want = 1
		}
		if set := call.Value().(serdio.Set); len(set) != want {
			t.Errorf("a set of %v and %v has %d elements, want %d", test.a, test.b, len(set), want)
		}
	}
}

func TestEqualKeysAreFoundInLargeMapsToo(t *testing.T) {
	t.Parallel()
	for _, n := range []int{15, 16, 17, 256, 257, 3000} {
		var want serdio.Map
		var pairs []byte
		for round := range 2 {
			for i := range n {
				pairs = append(pairs, 0xcd, byte(i>>8), byte(i), byte(round))
			}
		}
		for i := range n {
			want = append(want, serdio.Pair{Key: int64(i), Value: int64(1)})
		}
		// Twice over, because what the first map used is used again for the second.
		one := map32(2*n, pairs)
		call, err := serdio.Decode(argument(t, slices.Concat([]byte{0x92}, one, one)))
		if err != nil {
			t.Fatal(err)
		}
		if got := canonical(call.Value()); got != canonical([]any{want, want}) {
			t.Errorf("two maps of %d keys, each twice, decode to %.200s", n, got)
		}
	}
}

func TestValueIsWhatPythonReturns(t *testing.T) {
	t.Parallel()
	one := []any{int64(1)}
	several := []any{int64(1), int64(2)}
	tests := []struct {
		call serdio.Call
		want any
	}{
		{serdio.Call{Args: one}, int64(1)},
		{serdio.Call{Args: one, List: true}, int64(1)},
		{serdio.Call{Args: several}, serdio.Tuple(several)},
		{serdio.Call{Args: several, List: true}, several},
		{serdio.Call{}, serdio.Tuple{}},
		{serdio.Call{List: true}, []any{}},
	}
	for _, test := range tests {
		if got := test.call.Value(); canonical(got) != canonical(test.want) {
			t.Errorf("the value of %v is %s, want %s", test.call, canonical(got), canonical(test.want))
		}
	}
}

func TestMapGetsValuesByText(t *testing.T) {
	t.Parallel()
	m := serdio.Map{{Key: []byte("a"), Value: 1}, {Key: "a", Value: 2}}
	if v, ok := m.Get("a"); v != 2 || !ok {
		t.Errorf("%v, %v", v, ok)
	}
	if v, ok := m.Get("b"); v != nil || ok {
		t.Errorf("%v, %v", v, ok)
	}
}
