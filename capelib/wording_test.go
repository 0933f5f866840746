package capelib_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/capelib"
	"github.com/libcape/libcape/core/enclave"
)

func TestErrorsNameWhatTheyAreAbout(t *testing.T) {
	t.Parallel()
	server := startEnclave(t)
	host := strings.TrimPrefix(server.Info().URL, "ws://")
	slow := startEnclave(t, enclave.NoReply)
	slowHost := strings.TrimPrefix(slow.Info().URL, "ws://")
	cases := map[string]struct {
		fail func() error
		want []string
	}{
		"a function that is not there": {func() error {
			o := optionsFor(server)
			o.Function = "local/none"
			_, err := capelib.Connect(context.Background(), o)
			return err
		}, []string{host + " has no function local/none,"}},
		"a checksum that is not the pinned one": {func() error {
			o := optionsFor(server)
			o.Policy.FunctionChecksum = make([]byte, 32)
			_, err := capelib.Connect(context.Background(), o)
			return err
		}, []string{"not the one that the policy pins, " + strings.Repeat("00", 32)}},
		"a call that takes too long": {func() error {
			call, err := connect(t, optionsFor(slow)).Start([]byte("x"), capelib.CallOptions{Timeout: 700 * time.Millisecond})
			if err != nil {
				return err
			}
			_, err = call.Result()
			return err
		}, []string{"the deadline of 700ms for local/echo at " + slowHost + " passed after the request was sent"}},
		"a call that its caller's deadline ends": {func() error {
			conn := connect(t, optionsFor(slow))
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, err := conn.Invoke(ctx, []byte("x"))
			return err
		}, []string{"the deadline for local/echo at " + slowHost + " passed after"}},
		"a call that is cancelled": {func() error {
			call, err := connect(t, optionsFor(slow)).Start([]byte("x"), capelib.CallOptions{})
			if err != nil {
				return err
			}
			call.Cancel()
			_, err = call.Result()
			return err
		}, []string{"the call of local/echo at " + slowHost + " was cancelled"}},
		"a name in place of an id": {func() error {
			return capelib.Delete(context.Background(), optionsFor(server), "ada/echo")
		}, []string{"is a name", "give the id"}},
		"a deployment to an enclave that keeps no functions": {func() error {
			_, err := capelib.Deploy(context.Background(), optionsFor(server), capelib.Deployment{Path: "../tests/functions/echo"})
			return err
		}, []string{"501 in place of a websocket: this enclave keeps no functions"}},
		"a proxy on the way to this machine": {func() error {
			o := optionsFor(server)
			o.Proxy = "http://127.0.0.1:1"
			_, err := capelib.Connect(context.Background(), o)
			return err
		}, []string{"through a proxy would send results unprotected"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.fail()
			for _, part := range c.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("%v, want %q in it", err, part)
				}
			}
		})
	}
}

func TestWhoSendsTooManyRequestsIsToldSo(t *testing.T) {
	t.Parallel()
	server := startEnclave(t)
	conn := connect(t, optionsFor(server))
	first, err := conn.Start([]byte("wait"), capelib.CallOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Cancel()
	for range 12_000 {
		call, err := conn.Start([]byte("x"), capelib.CallOptions{})
		if err == nil {
			defer call.Cancel()
			continue
		}
		if !strings.Contains(err.Error(), "too many requests are waiting") {
			t.Error(err)
		}
		break
	}
	if _, err := first.Result(); err == nil || !strings.Contains(err.Error(), "(websocket code 1008: too many requests are waiting") {
		t.Error(err)
	}
}
