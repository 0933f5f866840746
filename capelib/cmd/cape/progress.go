package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/libcape/libcape/capelib"
)

// progress draws a bar on standard error where that is a terminal, and else gives nil.
func (e *environment) progress(what string) func(done, total int64) {
	if !isTerminal(os.Stderr) {
		return nil
	}
	e.bar = &bar{to: os.Stderr, what: what, drawn: -1}
	return e.bar.draw
}

// bar is one line, which is drawn again for each per cent.
type bar struct {
	to    io.Writer
	what  string
	drawn int // per cent; -1: nothing
}

func (b *bar) draw(done, total int64) {
	const width = 30
	percent := int(done * 100 / max(total, 1))
	if percent == b.drawn {
		return
	}
	b.drawn = percent
	full := percent * width / 100
	fmt.Fprintf(b.to, "\r%s [%s%s] %3d %%", b.what, strings.Repeat("=", full), strings.Repeat(" ", width-full), percent)
	if done >= total {
		fmt.Fprintln(b.to)
	}
}

// end begins another line, for what comes after a bar that was not drawn to its end.
func (b *bar) end() {
	if b != nil && b.drawn >= 0 && b.drawn < 100 {
		fmt.Fprintln(b.to)
	}
}

const (
	largeInput = 1 << 20 // bytes from which on a bar is drawn
	redrawn    = 50 * time.Millisecond
)

// invoke calls the function, and draws how much of a large input has been sent. The evidence is for
// JSON alone.
func (e *environment) invoke(ctx context.Context, conn *capelib.Conn, input []byte) ([]byte, capelib.Evidence, error) {
	if e.output != "json" && (len(input) < largeInput || !isTerminal(os.Stderr)) {
		output, err := conn.Invoke(ctx, input) // which makes no copy of the input
		return output, capelib.Evidence{}, err
	}
	call, err := conn.Start(input, capelib.CallOptions{})
	if err != nil {
		return nil, capelib.Evidence{}, err
	}
	var draw func(sent, all int64)
	if len(input) >= largeInput {
		draw = e.progress("sending")
	}
	if draw == nil {
		draw = func(int64, int64) {}
	}
	ticker := time.NewTicker(redrawn)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p := call.Progress()
			draw(p.Sent, p.ToSend)
		case <-ctx.Done():
			call.Cancel()
			output, err := call.Result()
			return output, call.Evidence(), err
		case <-call.Done():
			p := call.Progress()
			draw(p.Sent, p.ToSend)
			output, err := call.Result()
			return output, call.Evidence(), err
		}
	}
}
