package capekey

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"math"
	"runtime"
	"testing"
)

func TestWhatAWriterEncryptsIsWhatEncryptDoes(t *testing.T) {
	t.Parallel()
	der := public(t, &testKey().PublicKey)
	for _, size := range []int{0, 1, 15, 16, 17, chunkSize - 1, chunkSize, chunkSize + 1, 3 * chunkSize, 5*chunkSize + 31} {
		plaintext := make([]byte, size)
		_, _ = rand.Read(plaintext)
		for _, piece := range []int{1, 7, chunkSize, math.MaxInt} {
			if piece == 1 && size > 100 {
				continue
			}
			before := bytes.Clone(plaintext)
			var raw bytes.Buffer
			w, err := NewWriter(&raw, der)
			if err != nil {
				t.Fatal(err)
			}
			for rest := plaintext; len(rest) > 0; {
				n, err := w.Write(rest[:min(piece, len(rest))])
				if err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if raw.Len() != size+Overhead || !bytes.Equal(plaintext, before) {
				t.Errorf("%d bytes became %d, or were changed", size, raw.Len())
			}
			if got, err := Decrypt(testKey(), raw.Bytes()); err != nil || !bytes.Equal(got, plaintext) {
				t.Errorf("%d bytes in pieces of %d: %v", size, piece, err)
			}
		}
	}
}

func TestAWriterThatIsNotClosedMakesNothingThatOpens(t *testing.T) {
	t.Parallel()
	var raw bytes.Buffer
	w, err := NewWriter(&raw, public(t, &testKey().PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 2*chunkSize)); err != nil {
		t.Fatal(err)
	}
	if _, err := Decrypt(testKey(), raw.Bytes()); err == nil {
		t.Error("it opens without its tag")
	}
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Error(err)
	}
	if _, err := Decrypt(testKey(), raw.Bytes()); err != nil {
		t.Error(err)
	}
	if _, err := w.Write([]byte("more")); err == nil {
		t.Error("it takes more after its end")
	}
}

// failing takes some bytes and then no more.
type failing struct{ left int }

var errFull = errors.New("the disk is full")

func (f *failing) Write(data []byte) (int, error) {
	if f.left -= len(data); f.left < 0 {
		return 0, errFull
	}
	return len(data), nil
}

func TestAWriterTellsThatItsBytesAreNotTaken(t *testing.T) {
	t.Parallel()
	der := public(t, &testKey().PublicKey)
	if _, err := NewWriter(&failing{10}, der); err != errFull {
		t.Error(err)
	}
	for _, room := range []int{Overhead - 16, chunkSize + Overhead, 2*chunkSize + Overhead - 1} {
		w, err := NewWriter(&failing{room}, der)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(make([]byte, 2*chunkSize))
		if err := w.Close(); err != errFull {
			t.Errorf("with room for %d bytes: %v", room, err)
		}
	}
	if _, err := NewWriter(io.Discard, der[1:]); err == nil {
		t.Error("any key is taken")
	}
}

func TestAWriterHoldsLittleHoweverMuchItIsGiven(t *testing.T) {
	w, err := NewWriter(io.Discard, public(t, &testKey().PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 1<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 64 {
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("64 MiB cost %d bytes of memory", grown)
	}
}

// FuzzWriter compares what is done here with the standard library, cut anywhere.
func FuzzWriter(f *testing.F) {
	der := public(f, &testKey().PublicKey)
	f.Add([]byte("hello"), uint32(3), uint32(2))
	f.Add([]byte{0}, uint32(chunkSize), uint32(chunkSize+5))
	f.Fuzz(func(t *testing.T, pattern []byte, first, second uint32) {
		sizes := [2]int{int(first % (3 * chunkSize)), int(second % (3 * chunkSize))}
		plaintext := make([]byte, sizes[0]+sizes[1])
		for i := range plaintext {
			if len(pattern) > 0 {
				plaintext[i] = pattern[i%len(pattern)]
			}
		}
		var raw bytes.Buffer
		w, err := NewWriter(&raw, der)
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range [][]byte{plaintext[:sizes[0]], plaintext[sizes[0]:]} {
			if _, err := w.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := Decrypt(testKey(), raw.Bytes()); err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("%d and %d bytes: %v", sizes[0], sizes[1], err)
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	w, err := NewWriter(io.Discard, public(b, &testKey().PublicKey))
	if err != nil {
		b.Fatal(err)
	}
	piece := make([]byte, 1<<20)
	b.SetBytes(1 << 20)
	for b.Loop() {
		if _, err := w.Write(piece); err != nil {
			b.Fatal(err)
		}
	}
}
