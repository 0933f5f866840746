package serdio_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/libcape/libcape/core/serdio"
)

// random makes values of every type that serdio has.
type random struct{ *rand.Rand }

func (r random) value(depth int, hashable bool) any {
	kinds := 9
	if depth > 0 {
		kinds = 11
		if !hashable {
			kinds = 14
		}
	}
	switch r.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return int64(r.Uint64()) >> r.IntN(64)
	case 3:
		return r.Uint64() | 1<<63
	case 4:
		return r.float()
	case 5:
		return complex(r.float(), r.float())
	case 6:
		return r.text()
	case 7:
		return r.bytes()
	case 8:
		code := int8(r.IntN(256))
		if code >= 1 && code <= 4 {
			code = 5
		}
		return serdio.Ext{Code: code, Data: r.bytes()}
	case 9:
		return serdio.Tuple(r.values(depth-1, hashable))
	case 10:
		return serdio.FrozenSet(r.distinct(depth - 1))
	case 11:
		return serdio.Set(r.distinct(depth - 1))
	case 12:
		return r.mapping(depth - 1)
	}
	return r.values(depth-1, false)
}

func (r random) values(depth int, hashable bool) []any {
	items := []any{}
	for range r.length() {
		items = append(items, r.value(depth, hashable))
	}
	return items
}

// distinct returns values of which no two are equal, because each is a tuple with its own number.
func (r random) distinct(depth int) []any {
	items := []any{}
	for n := range r.length() {
		items = append(items, serdio.Tuple{int64(n), r.value(depth, true)})
	}
	return items
}

func (r random) mapping(depth int) serdio.Map {
	pairs := serdio.Map{}
	for _, key := range r.distinct(depth) {
		pairs = append(pairs, serdio.Pair{Key: key, Value: r.value(depth, false)})
	}
	return pairs
}

func (r random) keywords(depth int) serdio.Map {
	pairs := serdio.Map{}
	for n := range r.length() {
		pairs = append(pairs, serdio.Pair{Key: r.text() + string(rune('a'+n)) + "é", Value: r.value(depth, false)})
	}
	return pairs
}

// length is mostly small, and at times around the lengths at which headers grow.
func (r random) length() int {
	switch r.IntN(40) {
	case 0:
		return 15 + r.IntN(3)
	case 1:
		return 30 + r.IntN(4)
	}
	return r.IntN(4)
}

func (r random) float() float64 {
	switch r.IntN(4) {
	case 0:
		return float64(r.IntN(10))
	case 1:
		return []float64{math.Inf(1), math.Inf(-1), math.Copysign(0, -1), math.NaN()}[r.IntN(4)]
	}
	return math.Float64frombits(r.Uint64())
}

func (r random) text() string {
	runes := []rune{}
	for range r.length() {
		runes = append(runes, []rune("a\x00\"é世😀\u2028\ufffd")[r.IntN(8)])
	}
	return string(runes)
}

func (r random) bytes() []byte {
	b := make([]byte, r.length()+250*r.IntN(2))
	for n := range b {
		b[n] = byte(r.Uint32())
	}
	return b
}

func TestRandomValuesComeBack(t *testing.T) {
	t.Parallel()
	const rounds = 20000
	r := random{rand.New(rand.NewPCG(1, 2))}
	for round := range rounds {
		args, kwargs := r.values(3, false), r.keywords(2)
		data, err := serdio.Encode(args, kwargs)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		call, err := serdio.Decode(data)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if canonical(call.Args) != canonical(args) || canonical(call.Kwargs) != canonical(kwargs) {
			t.Fatalf("round %d: %v %v came back as %v %v", round, args, kwargs, call.Args, call.Kwargs)
		}
	}
}

// Damage must end in a value or an error of Decode, whatever it hits.
func TestDamagedValuesDecodeOrFail(t *testing.T) {
	t.Parallel()
	const rounds = 100000
	r := random{rand.New(rand.NewPCG(3, 4))}
	var data []byte
	failures := 0
	for round := range rounds {
		if round%50 == 0 {
			var err error
			if data, err = serdio.Encode(r.values(3, false), r.keywords(1)); err != nil {
				t.Fatal(err)
			}
		}
		damaged := append([]byte{}, data...)
		for range 1 + r.IntN(3) {
			damaged[r.IntN(len(damaged))] = byte(r.Uint32())
		}
		damaged = damaged[:len(damaged)-r.IntN(2)*r.IntN(len(damaged))]
		if _, err := serdio.Decode(damaged); err != nil {
			wantFault(t, err, "serdio.")
			failures++
		}
	}
	if failures < rounds/10 {
		t.Errorf("only %d of %d damaged values failed", failures, rounds)
	}
}
