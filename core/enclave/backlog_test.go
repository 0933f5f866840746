package enclave_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/hpke"
	"github.com/libcape/libcape/core/transport"
)

// largest is the largest input of an enclave whose options allow one byte: an encoding may add
// as much as 64 KiB.
const largest = 1 + 64<<10

// held returns a session with a function that echoes once release is closed, and not before.
func held(t *testing.T) (c *client, entered chan struct{}, release chan struct{}, ended chan struct{}) {
	t.Helper()
	entered, release, ended = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	e := start(t, enclave.Options{MaxInput: 1, Functions: []enclave.Function{{
		Name: "f", Handler: func(ctx context.Context, input []byte) ([]byte, error) {
			select {
			case entered <- struct{}{}:
			default:
			}
			select {
			case <-release:
				return input, nil
			case <-ctx.Done():
				close(ended)
				return nil, ctx.Err()
			}
		},
	}}})
	return connect(t, e), entered, release, ended
}

func TestPingsAreAnsweredWhileMoreRequestsWaitThanAreKept(t *testing.T) {
	t.Parallel()
	c, entered, release, _ := held(t)
	const count = 8
	for range count {
		c.request(make([]byte, largest))
	}
	<-entered
	before := c.Heard()
	if err := c.Ping(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	transport.Spawn(func() { // the pong is noticed while a reply is waited for
		for deadline := time.Now().Add(patience); !c.Heard().After(before) && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		close(release)
	}, nil)
	for i := range count {
		if i < 4 {
			result, err := c.reply()
			if err != nil || len(result.Output) != largest {
				t.Fatalf("reply %d has %d bytes, %v", i, len(result.Output), err)
			}
			continue
		}
		c.wantErrorReply("too many requests are waiting: send fewer at once")
	}
	c.wantCall("still there", "still there")
}

func TestAClientThatGoesWhileTooManyOfItsRequestsWaitEndsItsFunction(t *testing.T) {
	t.Parallel()
	c, entered, _, ended := held(t)
	for range 8 {
		c.request(make([]byte, largest))
	}
	<-entered
	_ = c.Close()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the function goes on")
	}
}

func TestTheNumberOfWaitingRequestsIsBounded(t *testing.T) {
	t.Parallel()
	c, entered, _, ended := held(t)
	c.request(nil)
	<-entered
	sealed, err := hpke.Seal(c.key, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 4096 + 1 {
		c.send(transport.Binary, sealed)
	}
	if _, _, err := c.receive(); err == nil || !strings.Contains(err.Error(), "1008: too many requests are waiting") {
		t.Errorf("got %v, want close code 1008 and why", err)
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the function goes on")
	}
}
