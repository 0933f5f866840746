package capelib

import (
	"strings"
	"testing"
)

func TestTheLogKeepsTheLatestRecordsOnly(t *testing.T) {
	for range keptRecords + 10 {
		logf(LevelDebug, "a record")
	}
	records := Log(0)
	if len(records) != keptRecords {
		t.Fatalf("%d records", len(records))
	}
	if first, last := records[0].Number, records[keptRecords-1].Number; last != first+keptRecords-1 {
		t.Errorf("from %d to %d", first, last)
	}
}

func TestALogRecordIsOneShortLine(t *testing.T) {
	logf(LevelDebug, "two\nlines %s", strings.Repeat("ä", maxRecord))
	records := Log(0)
	message := records[len(records)-1].Message
	if !strings.HasPrefix(message, "two lines ä") || len(message) > maxRecord+3 {
		t.Errorf("%d bytes: %.40q", len(message), message)
	}
}

func TestAPanicIsLoggedWithItsPlace(t *testing.T) {
	var failure *Error
	func() {
		defer func() { failure = Panicked(recover()) }()
		panic("the payload")
	}()
	if failure.Reason != "panic.recovered" {
		t.Errorf("%+v", failure)
	}
	records := Log(0)
	message := records[len(records)-1].Message
	if !strings.Contains(message, "log_test.go:") || strings.Contains(message, "the payload") {
		t.Errorf("the record is %q", message)
	}
}
