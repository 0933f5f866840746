package capelib

import (
	"runtime"
	"testing"
	"time"

	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

// These tests do not run beside others, since one caller of a process lingers at a time.

func started(t *testing.T, c *Conn) *Call {
	t.Helper()
	call, err := c.Start([]byte("x"), CallOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return call
}

func needTwoProcessors(t *testing.T) {
	t.Helper()
	if runtime.GOMAXPROCS(0) == 1 {
		t.Skip("nobody lingers on one processor: this needs two")
	}
}

func TestWhoLingeredInVainSleepsEverLonger(t *testing.T) {
	needTwoProcessors(t)
	release := make(chan struct{})
	address := serve(t, func(*transport.Conn) { <-release })
	defer close(release)
	c := open(t, address, func(*session) {})
	call := started(t, c)
	p := &c.session.patience
	for _, want := range []int{1, 2, 4, 8, 16, 32, 64, 64} {
		call.Linger()
		if p.sleepers != want {
			t.Fatalf("after lingering in vain %d sleep, want %d", p.sleepers, want)
		}
		for range want {
			call.Linger()
		}
		if p.sleepers != 0 {
			t.Fatalf("after %d calls %d are still to sleep", want, p.sleepers)
		}
	}
}

func TestWhoHadAReplyInTimeLingersAgain(t *testing.T) {
	needTwoProcessors(t)
	address := serve(t, func(peer *transport.Conn) {
		for {
			if _, _, err := peer.Read(); err != nil {
				return
			}
			if peer.Write(transport.Text, wire.EncodeResult(wire.Result{Output: []byte("y")}), time.Time{}) != nil {
				return
			}
		}
	})
	c := open(t, address, func(*session) {})
	p := &c.session.patience
	for range 10_000 { // on a busy machine few replies are in time
		*p = patience{latest: 8}
		call := started(t, c)
		call.Linger()
		if _, err := call.Result(); err != nil {
			t.Fatal(err)
		}
		if p.latest == 0 && p.sleepers == 0 {
			return
		}
	}
	t.Error("no call that lingered had its reply in time")
}

func TestNobodyLingersBesideOtherCalls(t *testing.T) {
	needTwoProcessors(t)
	release := make(chan struct{})
	address := serve(t, func(*transport.Conn) { <-release })
	defer close(release)
	c := open(t, address, func(*session) {})
	calls := []*Call{started(t, c), started(t, c)}
	for _, call := range calls {
		call.Linger()
	}
	if p := c.session.patience; p != (patience{}) {
		t.Errorf("a call lingered: %+v", p)
	}
}
