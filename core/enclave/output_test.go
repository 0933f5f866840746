package enclave

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"
)

// TestEmptyLinesFillNoLog is about what each line costs in a log, which is more than what is in it.
func TestEmptyLinesFillNoLog(t *testing.T) {
	t.Parallel()
	reading, writing, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	output := newOutputLog(reading)
	output.to.Store(slog.New(slog.NewTextHandler(&log, nil)))
	go func() {
		defer writing.Close()
		for range 20 {
			_, _ = writing.WriteString(strings.Repeat("\n", outputCall/20))
		}
	}()
	output.copy()
	if log.Len() > 2*outputCall || !strings.Contains(log.String(), "left out") {
		t.Errorf("the log has %d bytes", log.Len())
	}
}
