package process

import "testing"

// interrupt lets SIGINT come while the program waits for a reply that does not come before its
// deadline of 40 seconds.
const interrupt = `
import os, signal, threading, time
enclave.set_faults("no_reply")
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
start = time.monotonic()
try:
    cape.invoke(b"x")
except KeyboardInterrupt:
    print("interrupted after less than 5 s:", time.monotonic() - start < 5.5)
`

func TestControlCReachesAProgramThatWaits(t *testing.T) {
	t.Parallel()
	o := python(t, connect, interrupt)
	if o.status != 0 || o.output != "interrupted after less than 5 s: True\n" {
		t.Errorf("signal %d, status %d: %s%s", o.signal, o.status, o.output, o.errors)
	}
}
