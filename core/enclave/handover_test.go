//go:build unix

package enclave

import (
	"context"
	"testing"
	"time"
)

// BenchmarkGivingAFunctionToAWorker is what a connect waits for on the function's side, where a
// worker was started ahead: from the moment the session wants it until the worker has all files of
// the function, which it then imports while the client is still verifying. Beside it stands what
// the same would take without a worker ahead.
func BenchmarkGivingAFunctionToAWorker(b *testing.B) {
	e := startForWorkers(b, 1)
	ctx := context.Background()
	var slowest time.Duration
	for b.Loop() {
		b.StopTimer()
		e.workers.wantIdle(b, 1)
		b.StartTimer()
		began := time.Now()
		runner := e.newRunner(ctx, e.functions[0], e.options.Log)
		slowest = max(slowest, time.Since(began))
		b.StopTimer()
		if output, err := runner.invoke(ctx, []byte("x")); err != nil || string(output) != "x" {
			b.Fatalf("%q, %v", output, err)
		}
		runner.close()
		b.StartTimer()
	}
	b.ReportMetric(float64(slowest.Microseconds()), "µs-slowest")
	b.StopTimer()
	began := time.Now()
	w, err := e.workers.start(ctx)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := w.wait(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(time.Since(began).Microseconds()), "µs-without-one-ahead")
	w.close()
}
