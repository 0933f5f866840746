package enclave

import (
	"context"
	"crypto/rsa"
	"net/url"
	"testing"
	"time"

	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

// keylessService makes keys for as long as anybody waits for one.
type keylessService struct {
	localService
	asked, left chan struct{}
}

func (k *keylessService) Key(ctx context.Context, _ string) (*rsa.PrivateKey, error) {
	k.asked <- struct{}{}
	<-ctx.Done()
	k.left <- struct{}{}
	return nil, ctx.Err()
}

// TestAClientThatWaitsForItsKeyIsHeard has a client ping while its key is made, as the original ones
// do to find out whether the enclave lives, and then give up.
func TestAClientThatWaitsForItsKeyIsHeard(t *testing.T) {
	t.Parallel()
	service := &keylessService{asked: make(chan struct{}, 1), left: make(chan struct{}, 1)}
	e := startSlowly(t, Options{Service: service, IdleTimeout: time.Second})
	address, err := url.Parse(e.Info().URL + "/v1/key")
	if err != nil {
		t.Fatal(err)
	}
	c, err := transport.Dial(t.Context(), transport.DialOptions{URL: address, Subprotocols: []string{"cape.runtime"}, ReadLimit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Write(transport.Text, wire.EncodeStart(make([]byte, 16)), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	<-service.asked
	ended := make(chan error, 1)
	go func() {
		_, _, err := c.Read()
		ended <- err
	}()
	before := c.Heard()
	for deadline := time.Now().Add(10 * time.Second); !c.Heard().After(before); time.Sleep(10 * time.Millisecond) {
		if err := c.Ping(time.Now().Add(time.Second)); err != nil || time.Now().After(deadline) {
			t.Fatalf("pings are not answered: %v", err)
		}
	}
	time.Sleep(1500 * time.Millisecond)
	select {
	case err := <-ended:
		t.Fatalf("the session ended while it waited for the enclave: %v", err)
	default:
	}
	_ = c.Close()
	select {
	case <-service.left:
	case <-time.After(10 * time.Second):
		t.Error("the key is made for nobody")
	}
}
