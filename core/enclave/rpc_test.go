//go:build unix

package enclave_test

import (
	"encoding/base64"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/core/capekey"
)

// asks is a function that passes its input on to the enclave as the package cape_encrypt does, and
// returns the answer.
const asks = `
import base64, json, socket

def call(method, parameter):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("../rpc.sock")
        s.sendall(json.dumps({"id": 1, "method": method, "params": [parameter]}).encode())
        return json.loads(s.recv(10 << 20))

def cape_handler(data):
    what, _, text = data.partition(b" ")
    if what == b"encrypt":
        return call("CapeEncryptRPC.Encrypt", base64.b64encode(text).decode())["result"]
    if what == b"decrypt":
        reply = call("CapeEncryptRPC.Decrypt", text.decode())
        return base64.b64decode(reply["result"]) if reply["error"] is None else "refused: " + reply["error"]
    if what == b"large":
        return str(len(call("CapeEncryptRPC.Encrypt", base64.b64encode(bytes(20000)).decode())["result"]))
    if what == b"garbage":
        with socket.socket(socket.AF_UNIX) as s:
            s.connect("../rpc.sock")
            s.sendall(text)
            s.shutdown(socket.SHUT_WR)
            return s.recv(100)
    if what == b"flood":
        answered = 0
        while (reply := call("CapeEncryptRPC.Decrypt", text.decode()))["error"] is None:
            answered += 1
        return "%s after %s" % (reply["error"], "many" if answered > 10 else answered)
    if what == b"many":
        with socket.socket(socket.AF_UNIX) as s:
            s.connect("../rpc.sock")
            s.sendall(b'{"id": 1, "params": [' + b'"",' * 2000000 + b'""]}')
            return s.recv(100)
    return str(call(what.decode(), "x"))
`

func TestAFunctionEncryptsAndDecryptsWithItsOwnersKey(t *testing.T) {
	t.Parallel()
	o := python(t, asks)
	o.Key = capeKeys()[0]
	e := start(t, o)
	c := connect(t, e)
	sealed := c.call([]byte("encrypt a secret"))
	if plain, err := capekey.Decrypt(o.Key, sealed); err != nil || string(plain) != "a secret" || !strings.HasPrefix(string(sealed), "cape:") {
		t.Fatalf("%.20q opens to %q, %v", sealed, plain, err)
	}
	for range 20 { // more than are answered at once
		c.wantCall("decrypt "+string(sealed), "a secret")
	}
	other := encryptFor(t, capeKeys()[1], []byte("of another user"))
	for input, text := range map[string]string{
		"decrypt nothing":          "refused: the Cape ciphertext cannot be decrypted",
		"decrypt " + asText(other): "refused: the Cape ciphertext cannot be decrypted",
		"CapeEncryptRPC.Other":     "no such method",
		"CapeEncryptRPC.Encrypt":   "is not base64",
	} {
		if got := string(c.call([]byte(input))); !strings.Contains(got, text) {
			t.Errorf("%.40s gives %s, want %s", input, got, text)
		}
	}
	c.wantCall("garbage {", "")
	c.wantCall("garbage []", "")
	c.wantCall("large", "27393")
}

func TestRequestsCountWhatTheyTakeForEachCall(t *testing.T) {
	t.Parallel()
	o := python(t, asks)
	o.Key = capeKeys()[0]
	o.Limits.CPU = 700 * time.Millisecond
	c := connect(t, start(t, o))
	sealed := string(c.call([]byte("encrypt x")))
	c.wantCall("flood "+sealed, "the function's requests took more than 700ms of processor time for one call after many")
	c.wantCall("decrypt "+sealed, "x")
}

// This test is not parallel, so that what it counts is its own.
func TestARequestOfManyParametersTakesLittleMemory(t *testing.T) {
	const allowed = 64 << 20 // bytes that are allocated; the request has 6 MB
	o := python(t, asks)
	o.Key = capeKeys()[0]
	c := connect(t, start(t, o))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if got := string(c.call([]byte("many"))); !strings.Contains(got, "one parameter") {
		t.Errorf("the answer is %s", got)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > allowed {
		t.Errorf("it took %d bytes", took)
	}
}

func TestTheSocketIsThereWhateverTheSandboxLacks(t *testing.T) {
	t.Parallel()
	for _, layer := range []string{"namespaces", "private root", "another user", "landlock"} {
		o := python(t, asks)
		o.Key = capeKeys()[0]
		o.Withhold(layer)
		c := connect(t, start(t, o))
		c.wantCall("decrypt "+string(c.call([]byte("encrypt x"))), "x")
	}
}

func asText(raw []byte) string {
	return "cape:" + base64.StdEncoding.EncodeToString(raw[len("cape:"):])
}
