package enclave

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

// TestAFunctionHasToArriveInTime has clients hold a place among the uploads that is of use to
// others: one sends a byte at a time, one nothing but pings.
func TestAFunctionHasToArriveInTime(t *testing.T) {
	t.Parallel()
	e := startSlowly(t, Options{uploadTimeout: 300 * time.Millisecond, Service: &slowService{}})
	for name, alive := range map[string]func(c *transport.Conn) error{
		"a byte at a time": func(c *transport.Conn) error {
			_, err := c.NetConn().Write([]byte("x"))
			return err
		},
		"pings": func(c *transport.Conn) error { return c.Ping(time.Now().Add(time.Second)) },
	} {
		address, err := url.Parse(e.Info().URL + "/v1/deploy")
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
		if _, _, err := c.Read(); err != nil {
			t.Fatal(err)
		}
		if name != "pings" { // a masked frame of 65535 bytes begins (RFC 6455 section 5.2)
			if _, err := c.NetConn().Write([]byte{0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0}); err != nil {
				t.Fatal(err)
			}
		}
		stop := make(chan struct{})
		go func() {
			for alive(c) == nil {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		}()
		guard := time.AfterFunc(20*time.Second, func() { _ = c.Close() })
		if _, text, err := c.Read(); err != nil || !strings.Contains(string(text), "did not arrive in time") {
			t.Errorf("%s: %s, %v", name, text, err)
		}
		guard.Stop()
		close(stop)
	}
}
