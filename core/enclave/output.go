package enclave

import (
	"bufio"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const (
	outputLine = 4 << 10 // bytes of a line; the rest of a longer one counts as the next
	outputCall = 1 << 20 // bytes that are logged for one call
	outputCost = 100     // bytes that a line counts for beside its own: it stands in a record of the log
)

// outputLog copies what a function prints to the enclave's log, line by line and within bounds.
type outputLog struct {
	from *os.File
	to   atomic.Pointer[slog.Logger] // nil: nobody's yet
	left atomic.Int64                // bytes that are still logged for this call
	done chan struct{}
}

func newOutputLog(from *os.File) *outputLog {
	o := &outputLog{from: from, done: make(chan struct{})}
	o.renew()
	return o
}

// renew begins another call.
func (o *outputLog) renew() { o.left.Store(outputCall) }

// endBy has copy return by then, even if somebody still has the other end open.
func (o *outputLog) endBy(deadline time.Time) { _ = o.from.SetReadDeadline(deadline) }

// copy returns when all that could write has ended. It never stops reading before, so that a
// function that prints too much is not held up by it.
func (o *outputLog) copy() {
	defer close(o.done)
	defer o.from.Close()
	lines := bufio.NewReaderSize(o.from, outputLine)
	silenced := false
	for {
		line, err := lines.ReadSlice('\n')
		if log := o.to.Load(); len(line) > 0 && log != nil {
			switch {
			case o.left.Add(-int64(len(line)+outputCost)) >= 0:
				silenced = false
				log.Info("function output", "line", strings.ToValidUTF8(strings.TrimRight(string(line), "\r\n"), "\uFFFD"))
			case !silenced:
				silenced = true
				log.Warn("function output left out for the rest of this call", "limit", outputCall)
			}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
