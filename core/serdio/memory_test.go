package serdio_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/libcape/libcape/core/serdio"
)

// argument wraps the encoding of one value in an envelope.
func argument(t testing.TB, value []byte) []byte {
	t.Helper()
	return append(unhex(t, "81ad5f73657264696f5f617267735f91"), value...)
}

func array32(n int, content []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0xdd}, uint32(n)), content...)
}

func map32(n int, content []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0xdf}, uint32(n)), content...)
}

func ext32(code byte, content []byte) []byte {
	return append(append(binary.BigEndian.AppendUint32([]byte{0xc9}, uint32(len(content))), code), content...)
}

// repeated is an array of n times the unit.
func repeated(t testing.TB, n int, unit string) []byte {
	t.Helper()
	return array32(n, bytes.Repeat(unhex(t, unit), n))
}

// shell wraps value n times by wrap.
func shell(value []byte, n int, wrap func([]byte) []byte) []byte {
	for range n {
		value = wrap(value)
	}
	return value
}

func text32(text string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0xdb}, uint32(len(text))), text...)
}

// characters is all of them between two.
func characters(from, to rune) string {
	var text strings.Builder
	for r := from; r <= to; r++ {
		if utf8.ValidRune(r) {
			text.WriteRune(r)
		}
	}
	return text.String()
}

// inTurn wraps a payload in extensions of these codes, one after the other.
func inTurn(codes ...byte) func([]byte) []byte {
	n := 0
	return func(b []byte) []byte {
		n++
		return ext32(codes[n%len(codes)], b)
	}
}

// decodeCost returns what decoding allocates for each byte of input, in bytes.
func decodeCost(data []byte) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _ = serdio.Decode(data)
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / float64(len(data))
}

// It measures the whole process, and so cannot run in parallel with other tests.
func TestDecodeAllocatesInProportionToItsInput(t *testing.T) {
	const size = 1 << 20
	column := append(bytes.Repeat([]byte{0x91}, 400), 0xc0)
	tests := []struct {
		name  string
		value []byte
		most  float64
	}{
		{"bytes", append(unhex(t, "c600100000"), make([]byte, size)...), 1.1},
		{"text", append(unhex(t, "db00100000"), make([]byte, size)...), 1.1},
		{"an extension", append(unhex(t, "c90010000005"), make([]byte, size)...), 1.1},
		{"floats", repeated(t, size/9, "cb3ff8000000000000"), 4},
		{"nils", repeated(t, size, "c0"), 17},
		{"empty lists", repeated(t, size, "90"), 17},
		{"empty maps", repeated(t, size, "80"), 17},
		{"text of one letter", repeated(t, size/2, "a161"), 18},
		{"empty bytes", repeated(t, size/2, "c400"), 21},
		{"lists of one nil", repeated(t, size/2, "91c0"), 29},
		{"columns of lists", repeated(t, size/401, string(hexOf(column))), 41},
		{"empty tuples", repeated(t, size/3, "d40290"), 15},
		{"empty sets", repeated(t, size/3, "d40390"), 15},
		{"maps of one nil", repeated(t, size/3, "81c0c0"), 25},
		{"extensions of one byte", repeated(t, size/3, "d40500"), 25},
		{"a set of one nil many times", ext32(3, repeated(t, size, "c0")), 17},
		{"a set of NaNs", ext32(3, repeated(t, size/5, "ca7fc00000")), 30},
		{"a map of NaNs", map32(size/6, bytes.Repeat(unhex(t, "ca7fc00000c0"), size/6)), 30},
		{"sets just too large to be searched", repeated(t, size/23, "c71403dc0011000102030405060708090a0b0c0d0e0f10"), 20},
		{"tuples in one another", shell([]byte{0xc0}, 500, func(b []byte) []byte { return ext32(2, append([]byte{0x91}, b...)) }), 12},
		{"a tuple of text", ext32(2, text32(strings.Repeat("a", size))), 40},
		{"a tuple of text of two bytes each", ext32(2, text32(strings.Repeat("é", size/2))), 25},
		{"a set of text of one letter", ext32(3, text32(strings.Repeat("a", size))), 1},
		{"a set of every character", ext32(3, text32(characters(0x800, utf8.MaxRune))), 25},
		{"sets of all letters", repeated(t, size/105, string(hexOf(ext32(3, text32(characters('!', '~')))))), 40},
		{"tuples of one letter", repeated(t, size/4, "d502a161"), 20},
		{"tuples of no letter", repeated(t, size/3, "d402a0"), 15},
		{"a tuple of bytes", ext32(2, append(unhex(t, "c600100000"), make([]byte, size)...)), 17},
		{"a set of bytes", ext32(3, append(unhex(t, "c600100000"), make([]byte, size)...)), 1},
		{"a tuple of a map of nils", ext32(2, map32(size/2, bytes.Repeat(unhex(t, "c0"), size))), 17},
		{"a tuple of a map of NaNs", ext32(2, map32(size/6, bytes.Repeat(unhex(t, "ca7fc00000c0"), size/6))), 33},
		{"tuples of extensions", repeated(t, size/5, "d602d40500"), 30},
		{"sets and tuples made of one another", shell(repeated(t, size/5, "ca7fc00000"), 500, inTurn(2, 3, 4)), 30},
		{"an array that is not there", unhex(t, "ddffffffff"), 500},
		{"arrays that promise the same bytes", append(shell(nil, 300, func(b []byte) []byte { return array32(1<<20, b) }), make([]byte, size)...), 17},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cost := decodeCost(argument(t, test.value))
			t.Logf("%.1f bytes for each", cost)
			if cost > test.most {
				t.Errorf("%.1f bytes of memory for each of input, want at most %g", cost, test.most)
			}
		})
	}
}

// It measures the whole process too.
func TestEncodeCopiesBytesOnce(t *testing.T) {
	const size = 16 << 20
	args := []any{serdio.Tuple{serdio.Tuple{make([]byte, size)}}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := serdio.Encode(args, nil); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if cost := float64(after.TotalAlloc-before.TotalAlloc) / size; cost > 1.1 {
		t.Errorf("%.1f bytes of memory for each of input, want at most 1.1", cost)
	}
}

func hexOf(b []byte) []byte {
	const digits = "0123456789abcdef"
	var out []byte
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return out
}

// A decoder that copies each payload, or hashes each key anew at each level, takes seconds here.
func TestDecodeTakesLinearTimeForPayloadsInOneAnother(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	nils := repeated(t, size, "c0")
	nans := repeated(t, size/5, "ca7fc00000")
	tests := map[string][]byte{
		"tuples": shell(nils, 400, func(b []byte) []byte { return ext32(2, append([]byte{0x91}, b...)) }),
		"frozensets": ext32(3, append([]byte{0x91}, shell(ext32(2, nils), 400,
			func(b []byte) []byte { return ext32(4, append([]byte{0x91}, b...)) })...)),
		"sets made of one another": shell(nans, 1000, inTurn(2, 3, 4)),
		"keys of maps of keys": shell(ext32(2, nils), 400,
			func(b []byte) []byte { return ext32(2, slices.Concat([]byte{0x81}, b, []byte{0xc0})) }),
	}
	for name, value := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			if _, err := serdio.Decode(argument(t, value)); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			t.Log(time.Since(start))
		})
	}
}
