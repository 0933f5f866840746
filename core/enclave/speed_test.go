package enclave_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/libcape/libcape/core/enclave"
)

// These measure what a caller of a function in Python waits for.

func BenchmarkStartAndFirstInvoke(b *testing.B) {
	o := folder(b, "echo")
	o.Scratch = b.TempDir()
	for b.Loop() {
		e, err := enclave.Start(o)
		if err != nil {
			b.Fatal(err)
		}
		c := connect(b, e)
		c.wantCall("x", "x")
		_ = c.Close()
		b.StopTimer()
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkConnect goes up to the first reply, on an enclave that had time to get ready.
func BenchmarkConnect(b *testing.B) {
	e := start(b, folder(b, "echo"))
	for b.Loop() {
		b.StopTimer()
		time.Sleep(300 * time.Millisecond)
		b.StartTimer()
		c := connect(b, e)
		c.wantCall("x", "x")
		_ = c.Close()
	}
}

func BenchmarkEchoOf16MiB(b *testing.B) {
	c := connect(b, start(b, folder(b, "echo")))
	input := bytes.Repeat([]byte{7}, 16<<20)
	b.SetBytes(int64(len(input)))
	for b.Loop() {
		c.call(input)
	}
}

func BenchmarkSmallEcho(b *testing.B) {
	c := connect(b, start(b, folder(b, "echo")))
	for b.Loop() {
		c.call([]byte("x"))
	}
}
