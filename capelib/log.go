package capelib

import (
	"fmt"
	"sync"
	"time"
)

// The levels of log records.
const (
	LevelDebug   = "debug"
	LevelInfo    = "info"
	LevelWarning = "warning"
	LevelError   = "error"
)

const (
	keptRecords = 1024
	maxRecord   = 512 // bytes of one message
)

// LogRecord is one line of the library's log. It never holds a payload or a token.
type LogRecord struct {
	Number  uint64    `json:"number"` // 1 for the first of the process
	Time    time.Time `json:"time"`
	Level   string    `json:"level"`
	Message string    `json:"message"`
}

// log keeps the latest records. The library writes them nowhere: the host reads them.
var log struct {
	mu     sync.Mutex
	ring   [keptRecords]LogRecord
	latest uint64 // the number of the latest record
}

// Log gives the kept records with a number above after, oldest first.
func Log(after uint64) []LogRecord {
	log.mu.Lock()
	defer log.mu.Unlock()
	if log.latest > keptRecords {
		after = max(after, log.latest-keptRecords)
	}
	records := []LogRecord{}
	for after < log.latest {
		after++
		records = append(records, log.ring[after%keptRecords])
	}
	return records
}

func logf(level, format string, args ...any) {
	message := printable(fmt.Sprintf(format, args...))
	if len(message) > maxRecord {
		message = printable(message[:maxRecord]) // a character cut in two becomes one that says so
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	log.latest++
	log.ring[log.latest%keptRecords] = LogRecord{log.latest, time.Now().UTC(), level, message}
}
