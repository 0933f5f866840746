package serdio_test

import (
	"testing"

	"github.com/libcape/libcape/core/serdio"
)

func BenchmarkEncodeBytes(b *testing.B) {
	args := []any{make([]byte, 16<<20)}
	b.SetBytes(16 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := serdio.Encode(args, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeBytes(b *testing.B) {
	benchmarkDecode(b, []any{make([]byte, 16<<20)})
}

func BenchmarkDecodeFloats(b *testing.B) {
	floats := make([]any, 1<<20)
	for n := range floats {
		floats[n] = float64(n)
	}
	benchmarkDecode(b, []any{floats})
}

func BenchmarkDecodeRecords(b *testing.B) {
	records := make([]any, 1<<14)
	for n := range records {
		records[n] = serdio.Map{{Key: "id", Value: n}, {Key: "name", Value: "somebody"}, {Key: "position", Value: serdio.Tuple{1.5, 2.5}}}
	}
	benchmarkDecode(b, []any{records})
}

func benchmarkDecode(b *testing.B, args []any) {
	data, err := serdio.Encode(args, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := serdio.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeRecords(b *testing.B) {
	records := make([]any, 1<<14)
	for n := range records {
		records[n] = serdio.Map{{Key: "id", Value: n}, {Key: "name", Value: "somebody"}, {Key: "position", Value: serdio.Tuple{1.5, 2.5}}}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := serdio.Encode([]any{records}, nil); err != nil {
			b.Fatal(err)
		}
	}
}
