// Package protocol replays what each of the original clients sends, byte for byte, and looks at
// what the enclave answers as that client does.
package protocol

import (
	"encoding/base64"
	"strings"
	"testing"
)

// client is one of the original clients: its handshake, with %ROUTE%, %SCHEME% and %TOKEN% to be
// put in, and its first message.
type client struct {
	handshake string
	scheme    string
	start     string
	nonce     string // what the document has to carry
	fragment  int    // bytes of its frames; 0: each message is one
	bye       string // what its close frame says
}

// The handshakes, with the key of RFC 6455 section 1.3 in place of a random one.
const (
	python = "GET %ROUTE% HTTP/1.1\r\nHost: 127.0.0.1:8765\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
		"Sec-WebSocket-Protocol: %SCHEME%, %TOKEN%\r\nUser-Agent: Python/3.9 websockets/10.3\r\n\r\n"
	golang = "GET %ROUTE% HTTP/1.1\r\nHost: 127.0.0.1:8765\r\nUser-Agent: Go-http-client/1.1\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %SCHEME%\r\nSec-WebSocket-Protocol: %TOKEN%\r\n" +
		"Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n\r\n"
	node = "GET %ROUTE% HTTP/1.1\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
		"Sec-WebSocket-Protocol: %SCHEME%,%TOKEN%\r\nHost: 127.0.0.1:8765\r\n\r\n"
	browser = "GET %ROUTE% HTTP/1.1\r\nHost: 127.0.0.1:8765\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/111.0.0.0 Safari/537.36\r\n" +
		"Upgrade: websocket\r\nOrigin: https://shop.example\r\nSec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br\r\n" +
		"Accept-Language: en-GB,en;q=0.9\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nSec-WebSocket-Protocol: %SCHEME%, %TOKEN%\r\n\r\n"
)

const (
	runtime  = "cape.runtime"
	function = "cape.function"
	goFrame  = 4096       // bytes of payload: the write buffer that Go's client has unless told otherwise
	normal   = "\x03\xe8" // 1000
	noCode   = ""
)

// The command line's nonce is the base64 of 16 random bytes, as a byte slice in JSON: base64 of it.
const (
	goNonce = "AAECAwQFBgcICQoLDA0ODw=="
	goValue = "QUFFQ0F3UUZCZ2NJQ1FvTERBME9Edz09"
	jsStart = `{"message":{"nonce":"AAECAwQFBgcICQoL"}}`
	jsNonce = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b"
)

const (
	seed     = "pycape, August 2022"
	cli      = "the command line, May 2023"
	cliOf22  = "the command line, August 2022"
	cliOf23  = "the command line, September 2022 to March 2023"
	capejs   = "cape-js"
	inChrome = "cape-js in a browser"
)

var clients = map[string]client{
	seed:                           {python, runtime, `{"message": {"nonce": "31415926"}}`, "\xdf\x5e\x35\xe7\xdd\xba", 0, normal},
	seed + ", with function token": {python, function, `{"message": {"nonce": "00000000"}}`, "\xd3\x4d\x34\xd3\x4d\x34", 0, normal},
	"pycape 2":                     {python, function, `{"message": {"nonce": "27182818"}}`, "\xdb\xbd\x7c\xdb\xcd\x7c", 0, normal},
	"pycape 3.0":                   {python, runtime, `{"message": {"nonce": "99999999"}}`, "\xf7\xdf\x7d\xf7\xdf\x7d", 0, normal},
	"pycape 3.1.1":                 {python, runtime, `{"message": {"nonce": "MDEyMzQ1Njc4OTAxMjM0NQ=="}}`, "0123456789012345", 0, normal},
	cli:                            {golang, runtime, `{"message":{"nonce":"` + goValue + `","metadata":{"function_authentication_type":""}}}` + "\n", goNonce, goFrame, normal},
	cliOf23:                        {golang, runtime, `{"message":{"nonce":"` + goValue + `","metadata":{"function_authentication_type":"auth0"}}}` + "\n", goNonce, goFrame, normal},
	cliOf23 + ", with function token": {golang, function, `{"message":{"nonce":"` + goValue + `","metadata":{"function_authentication_type":"function_token"}}}` + "\n",
		goNonce, goFrame, normal},
	cliOf22: {golang, runtime, `{"message":{"nonce":"` + goValue + `","auth_token":"%TOKEN%","metadata":{"function_authentication_type":"auth0"}}}` + "\n",
		goNonce, goFrame, normal},
	cliOf22 + ", with function token": {golang, function, `{"message":{"nonce":"` + goValue + `","auth_token":"","function_token":"%TOKEN%","metadata":{"function_authentication_type":"function_token"}}}` + "\n",
		goNonce, goFrame, normal},
	// The specification can be read so that metadata lies beside the message.
	cli + ", metadata beside":        {golang, runtime, `{"message":{"nonce":"` + goValue + `"},"metadata":{"function_authentication_type":""}}` + "\n", goNonce, goFrame, normal},
	capejs:                           {node, runtime, jsStart, jsNonce, 0, noCode},
	capejs + ", with function token": {node, function, jsStart, jsNonce, 0, noCode},
	inChrome:                         {browser, runtime, jsStart, jsNonce, 0, noCode},
}

func (c client) request(route, token string) string {
	return strings.NewReplacer("%ROUTE%", route, "%SCHEME%", c.scheme, "%TOKEN%", token).Replace(c.handshake)
}

// begin opens a session as this client does, and returns the payload of its document.
func (c client) begin(t *testing.T, w *world, route, token string) (*peer, payload) {
	t.Helper()
	p := dial(t, w.url)
	p.upgrade(c.request(route, token), c.scheme)
	p.message(text, []byte(strings.ReplaceAll(c.start, "%TOKEN%", token)), c.fragment)
	document := readDocument(t, p.text(), w.root)
	if string(document.Nonce) != c.nonce {
		t.Errorf("the nonce is %x, want %x", document.Nonce, c.nonce)
	}
	return p, document
}

// end closes the session as this client does and waits for the enclave to do the same.
func (c client) end(p *peer) {
	p.t.Helper()
	p.send(frame(closing, true, []byte(c.bye)))
	if opcode, data := p.next(); opcode != closing || string(data) != c.bye {
		p.t.Errorf("the close is answered with %d %x", opcode, data)
	}
	p.wantGone()
}

func encode64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
