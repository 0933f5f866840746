//go:build unix

package enclave

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

// BenchmarkGivingAFunctionToAWorker is what a session waits for on the function's side, where a
// worker was started ahead.
func BenchmarkGivingAFunctionToAWorker(b *testing.B) {
	python := os.Getenv("CAPE_PYTHON")
	if python == "" {
		var err error
		if python, err = exec.LookPath("python3"); err != nil {
			b.Skip("needs python3")
		}
	}
	e, err := Start(Options{
		Functions: []Function{{Folder: "../../tests/functions/echo"}}, Python: python, Scratch: b.TempDir(),
	})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	ctx := context.Background()
	for b.Loop() {
		b.StopTimer()
		time.Sleep(300 * time.Millisecond)
		b.StartTimer()
		runner := e.newRunner(ctx, e.functions[0], e.options.Log)
		b.StopTimer()
		if output, err := runner.invoke(ctx, []byte("x")); err != nil || string(output) != "x" {
			b.Fatalf("%q, %v", output, err)
		}
		runner.close()
		b.StartTimer()
	}
}
