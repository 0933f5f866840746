package attest

import (
	"bytes"
	"slices"
	"testing"
	"time"
)

// benchDocument is a document of AWS where there are any, and else one of the same shape.
func benchDocument(b *testing.B) ([]byte, Options) {
	b.Helper()
	return goodDocument(b), goodOptions()
}

func benchVerify(b *testing.B, verify func([]byte, Options) (*Document, *Report, error)) {
	b.Helper()
	document, options := benchDocument(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := verify(document, options); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyCold verifies with nothing remembered.
func BenchmarkVerifyCold(b *testing.B) { benchVerify(b, Verify) }

// BenchmarkVerifyWarm verifies a document of an enclave that was seen before.
func BenchmarkVerifyWarm(b *testing.B) { benchVerify(b, new(Verifier).Verify) }

// BenchmarkVerifyWarmCA verifies a document of another enclave of an instance that was seen
// before: its CA certificates are remembered, its own is not.
func BenchmarkVerifyWarmCA(b *testing.B) {
	var v Verifier
	benchVerify(b, func(document []byte, o Options) (*Document, *Report, error) {
		v.leaves = cache{}
		return v.Verify(document, o)
	})
}

// BenchmarkVerifyBaseline is the usual approach, crypto/x509 and go-cose over crypto/ecdsa with
// no memory, short of all checks that those do not make.
func BenchmarkVerifyBaseline(b *testing.B) {
	document, options := benchDocument(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := conventional(document, options.Roots, options.Time); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParse is all of CBOR and of the five certificates, and no signature.
func BenchmarkParse(b *testing.B) {
	document, options := benchDocument(b)
	b.ReportAllocs()
	for b.Loop() {
		_, p, err := parseDocument(document, &options)
		if err != nil {
			b.Fatal(err)
		}
		for _, der := range append(slices.Clone(p.cabundle), p.certificate) {
			if _, err := newCertificate(der); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkParseCBOR is the CBOR alone.
func BenchmarkParseCBOR(b *testing.B) {
	document, options := benchDocument(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := parseDocument(document, &options); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHostile16MiB verifies inputs of 16 MiB that are made to be dear.
func BenchmarkHostile16MiB(b *testing.B) {
	const size = 16 << 20
	fill := func(start, rest []byte) []byte {
		return append(start, bytes.Repeat(rest, size/len(rest))[:size-len(start)]...)
	}
	for name, document := range map[string][]byte{
		"nested":  fill(nil, []byte{0x81}),
		"zero":    make([]byte, size),
		"payload": fill([]byte{0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0, 0x5a, 0x00, 0xff, 0xff, 0x00, 0x9f}, []byte{0x80}),
		"genuine": fill(goodDocument(b), []byte{0}),
	} {
		b.Run(name, func(b *testing.B) {
			options := goodOptions()
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Verify(document, options); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

// BenchmarkHostileLargest verifies inputs that are as dear as any that the size limit lets
// through: signed by a stranger, with the longest chain, or with as many CBOR items as fit.
func BenchmarkHostileLargest(b *testing.B) {
	chain := func() []byte {
		plans := awsPlan()
		for i := range plans {
			plans[i].template.MaxPathLen, plans[i].template.MaxPathLenZero = -1, false
		}
		long := slices.Insert(plans, zonal, awsPlan()[zonal], awsPlan()[zonal], awsPlan()[zonal], awsPlan()[zonal])
		for i, plan := range long[zonal : leaf+4] {
			plan.template.SerialNumber.SetInt64(int64(100 + i))
			plan.template.MaxPathLen, plan.template.MaxPathLenZero = -1, plan == long[leaf+4]
		}
		ders := issue(b, long)
		return newDraft(ders, long[len(long)-1].key).document(b)
	}
	many := newDraft(plainChain(), foreignKey())
	many.set("x", cborArray(slices.Repeat([][]byte{cborArray(slices.Repeat([][]byte{{0x80}}, 64)...)}, 64)...))
	for name, document := range map[string][]byte{"chain": chain(), "items": many.document(b)} {
		b.Run(name, func(b *testing.B) {
			options := goodOptions()
			options.Time = signedAt.Add(time.Hour)
			options.Policy = &Policy{Any: true, MaxAge: 1}
			b.ReportAllocs()
			for b.Loop() {
				if _, report, err := Verify(document, options); err == nil {
					b.Fatal("accepted")
				} else if name == "chain" && report.Reason != "time.too_old" {
					b.Fatal(err)
				}
			}
		})
	}
}
