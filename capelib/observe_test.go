package capelib_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/enclave"
)

// logged waits for a record that holds a text.
func logged(t *testing.T, level, text string) capelib.LogRecord {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for _, record := range capelib.Log(0) {
			if record.Level == level && strings.Contains(record.Message, text) {
				return record
			}
		}
	}
	t.Fatalf("no record of level %s with %q", level, text)
	return capelib.LogRecord{}
}

func TestTheLogTellsOfConnectionsAndOfRefusals(t *testing.T) {
	t.Parallel()
	server := startEnclave(t)
	o := optionsFor(server)
	o.Token = "a-very-secret-token"
	host := strings.TrimPrefix(server.Info().URL, "ws://")
	conn := connect(t, o)
	if _, err := conn.Invoke(context.Background(), []byte("a payload")); err != nil {
		t.Fatal(err)
	}
	found := logged(t, capelib.LevelInfo, "connected to "+host)
	if found.Number == 0 || time.Since(found.Time) > time.Minute {
		t.Errorf("%+v", found)
	}
	if err := server.SetFaults(enclave.ExpiredLeaf); err != nil {
		t.Fatal(err)
	}
	_, err := capelib.Connect(context.Background(), o)
	wantError(t, err, capelib.CodeAttestation, "chain.expired")
	logged(t, capelib.LevelWarning, fmt.Sprintf("connecting to %s failed: chain.expired", host))
	_ = server.Close()
	logged(t, capelib.LevelWarning, fmt.Sprintf("the connection to %s was lost", host))
	for _, record := range capelib.Log(0) {
		if strings.Contains(record.Message, o.Token) || strings.Contains(record.Message, "a payload") {
			t.Errorf("a secret is in the log: %s", record.Message)
		}
	}
}

func TestReadingTheLogGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	connect(t, optionsFor(startEnclave(t)))
	records := capelib.Log(0)
	if len(records) == 0 {
		t.Fatal("nothing was logged")
	}
	for i, record := range records {
		if want := records[0].Number + uint64(i); record.Number != want {
			t.Fatalf("record %d has number %d", i, record.Number)
		}
	}
	last := records[len(records)-1].Number
	for _, record := range capelib.Log(last) {
		if record.Number <= last {
			t.Errorf("record %d again", record.Number)
		}
	}
	if records := capelib.Log(1<<64 - 1); len(records) != 0 {
		t.Errorf("%d records from the future", len(records))
	}
}

func TestCountersRise(t *testing.T) {
	t.Parallel()
	before := capelib.Counters()
	conn := connect(t, optionsFor(startEnclave(t)))
	_, _ = conn.Invoke(context.Background(), make([]byte, 1000))
	_, _ = conn.Invoke(context.Background(), []byte("fail"))
	after := capelib.Counters()
	if after.Connects <= before.Connects || after.Invokes < before.Invokes+2 || after.InvokesFailed <= before.InvokesFailed ||
		after.BytesSent < before.BytesSent+1000 || after.BytesReceived < before.BytesReceived+1000 ||
		after.Verifications <= before.Verifications || after.Verifying <= before.Verifying {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestTheLogHasALostConnectionBeforeItsCallsEnd(t *testing.T) {
	t.Parallel()
	for range 20 {
		server := startEnclave(t)
		conn := connect(t, optionsFor(server))
		if err := server.SetFaults(enclave.InvokeDropped); err != nil {
			t.Fatal(err)
		}
		_, err := conn.Invoke(context.Background(), []byte("x"))
		records := capelib.Log(0)
		lost := "the connection to " + strings.TrimPrefix(server.Info().URL, "ws://") + " was lost"
		if !slices.ContainsFunc(records, func(r capelib.LogRecord) bool { return strings.Contains(r.Message, lost) }) {
			t.Fatalf("%v, and the log does not have it", err)
		}
	}
}
