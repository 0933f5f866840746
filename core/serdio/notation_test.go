package serdio_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/libcape/libcape/core/serdio"
)

// value makes the Go value that a value in the notation of tests/vectors/serdio stands for.
func value(t *testing.T, raw json.RawMessage) any {
	t.Helper()
	var n struct {
		T, Unit, Of           string
		Hex, UnitHex, Bits    string
		V, Re, Im, Leaf       json.RawMessage
		N, Depth, Code, S, NS int
	}
	unmarshal(t, bytes.ReplaceAll(raw, []byte("unit_hex"), []byte("unithex")), &n)
	switch n.T {
	case "none":
		return nil
	case "bool":
		return string(n.V) == "true"
	case "int":
		return integer(t, text(t, n.V))
	case "float":
		return math.Float64frombits(binary.BigEndian.Uint64(unhex(t, n.Bits)))
	case "complex":
		return complex(value(t, n.Re).(float64), value(t, n.Im).(float64))
	case "str":
		if string(n.V) == `"\ud800"` {
			return "\xed\xa0\x80"
		}
		return text(t, n.V)
	case "str_repeat":
		return strings.Repeat(n.Unit, n.N)
	case "bytes", "bytearray":
		return unhex(t, n.Hex)
	case "bytes_repeat":
		return bytes.Repeat(unhex(t, n.UnitHex), n.N)
	case "list":
		return values(t, n.V)
	case "list_range":
		items := []any{}
		for i := range n.N {
			items = append(items, int64(i))
		}
		return items
	case "tuple":
		return serdio.Tuple(values(t, n.V))
	case "set":
		return serdio.Set(values(t, n.V))
	case "frozenset":
		return serdio.FrozenSet(values(t, n.V))
	case "dict":
		pairs := serdio.Map{}
		for _, pair := range array(t, n.V) {
			both := values(t, pair)
			pairs = append(pairs, serdio.Pair{Key: both[0], Value: both[1]})
		}
		return pairs
	case "nest":
		return nested(t, n.Of, n.Depth, value(t, n.Leaf))
	case "ext":
		return serdio.Ext{Code: int8(n.Code), Data: unhex(t, n.Hex)}
	case "timestamp":
		if n.NS != 0 {
			t.Fatal("a timestamp with nanoseconds has another length")
		}
		return serdio.Ext{Code: -1, Data: binary.BigEndian.AppendUint32(nil, uint32(n.S))}
	}
	return extension(t, n.T, raw)
}

func values(t *testing.T, raw json.RawMessage) []any {
	t.Helper()
	items := []any{}
	for _, item := range array(t, raw) {
		items = append(items, value(t, item))
	}
	return items
}

// keywords makes a Map of an object of values, in the order of the file.
func keywords(t *testing.T, raw json.RawMessage) serdio.Map {
	t.Helper()
	pairs := serdio.Map{}
	if raw == nil {
		return pairs
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		var one json.RawMessage
		if err := decoder.Decode(&one); err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, serdio.Pair{Key: key, Value: value(t, one)})
	}
	return pairs
}

func nested(t *testing.T, of string, depth int, leaf any) any {
	t.Helper()
	for range depth {
		switch of {
		case "list":
			leaf = []any{leaf}
		case "tuple":
			leaf = serdio.Tuple{leaf}
		case "dict":
			leaf = serdio.Map{{Key: "k", Value: leaf}}
		default:
			t.Fatalf("unknown nesting %q", of)
		}
	}
	return leaf
}

func integer(t *testing.T, digits string) any {
	t.Helper()
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return n
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func array(t *testing.T, raw json.RawMessage) []json.RawMessage {
	t.Helper()
	var items []json.RawMessage
	unmarshal(t, raw, &items)
	return items
}

func text(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var s string
	unmarshal(t, raw, &s)
	return s
}

func unmarshal(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%v in %.80s", err, raw)
	}
}

func unhex(t testing.TB, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// canonical writes a value so that two that are the same give the same text: numbers by type and
// bits, sets in sorted order.
func canonical(v any) string { return canonicalForm(v, false) }

// canonicalForm sorts the elements of tuples too, and the parts of complex numbers, where their order
// is left to chance.
func canonicalForm(v any, mixedTuples bool) string {
	switch v := v.(type) {
	case float64:
		return fmt.Sprintf("float %016x", math.Float64bits(v))
	case complex128:
		parts := []any{real(v), imag(v)}
		return "complex" + sequence(parts, mixedTuples, mixedTuples)
	case string, []byte:
		return fmt.Sprintf("%T %x", v, v)
	case []any:
		return "list" + sequence(v, false, mixedTuples)
	case serdio.Tuple:
		return "tuple" + sequence(v, mixedTuples, mixedTuples)
	case serdio.Set:
		return "set" + sequence(v, true, mixedTuples)
	case serdio.FrozenSet:
		return "frozenset" + sequence(v, true, mixedTuples)
	case serdio.Map:
		var out strings.Builder
		for _, pair := range v {
			out.WriteString(canonicalForm(pair.Key, mixedTuples) + ":" + canonicalForm(pair.Value, mixedTuples) + ";")
		}
		return "{" + out.String() + "}"
	}
	return fmt.Sprintf("%T %v", v, v)
}

func sequence(items []any, sorted, mixedTuples bool) string {
	texts := make([]string, 0, len(items))
	for _, item := range items {
		texts = append(texts, canonicalForm(item, mixedTuples))
	}
	if sorted {
		slices.Sort(texts)
	}
	return "[" + strings.Join(texts, ",") + "]"
}
