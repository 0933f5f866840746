package capelib

import (
	"sync/atomic"
	"time"
)

// counters count over all connections of the process.
var counters struct {
	connects, connectsFailed, reconnects atomic.Uint64
	invokes, invokesFailed               atomic.Uint64
	bytesSent, bytesReceived             atomic.Uint64
	verifications, verificationTime      atomic.Uint64
}

// Counts is how often things have happened in this process. The JSON names are those of
// cape_counters.
type Counts struct {
	Connects       uint64        `json:"connects"`        // with a session as their outcome
	ConnectsFailed uint64        `json:"connects_failed"` // reconnects too
	Reconnects     uint64        `json:"reconnects"`      // with a session as their outcome
	Invokes        uint64        `json:"invokes"`         // all that were begun
	InvokesFailed  uint64        `json:"invokes_failed"`
	BytesSent      uint64        `json:"bytes_sent"` // of messages, without their framing
	BytesReceived  uint64        `json:"bytes_received"`
	Verifications  uint64        `json:"verifications"`
	Verifying      time.Duration `json:"verification_ns"` // all of them together
}

// Counters tells what has happened in this process so far. The numbers are taken one after the
// other, while calls go on.
func Counters() Counts {
	return Counts{
		Connects: counters.connects.Load(), ConnectsFailed: counters.connectsFailed.Load(), Reconnects: counters.reconnects.Load(),
		Invokes: counters.invokes.Load(), InvokesFailed: counters.invokesFailed.Load(),
		BytesSent: counters.bytesSent.Load(), BytesReceived: counters.bytesReceived.Load(),
		Verifications: counters.verifications.Load(), Verifying: time.Duration(counters.verificationTime.Load()),
	}
}

func countVerification(began time.Time) {
	counters.verifications.Add(1)
	counters.verificationTime.Add(uint64(time.Since(began)))
}
