package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"github.com/libcape/libcape/core/hpke"
)

// bufferSize is that of core/transport, so that frames and reads are as large as the library's.
const bufferSize = 64 << 10

// sealedPath is where the raw echo opens what it gets.
const sealedPath = "/sealed"

// echo returns binary messages. It reads into memory that it has, and hands that back: no server
// that moves as many bytes could do less. What comes on sealedPath was sealed to key; it is opened
// and goes back in the clear, as results do.
func echo(key *hpke.PrivateKey, w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{ReadBufferSize: bufferSize, WriteBufferSize: bufferSize}
	socket, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the client has been told
	}
	defer socket.Close()
	var message []byte
	for {
		if message, err = receive(socket, message); err != nil {
			return
		}
		reply := message
		if r.URL.Path == sealedPath {
			if reply, err = key.Open(message); err != nil {
				return
			}
		}
		if err := socket.WriteMessage(websocket.BinaryMessage, reply); err != nil {
			return
		}
	}
}

// receive reads one message into memory, which grows to the next power of two where need be.
func receive(socket *websocket.Conn, memory []byte) ([]byte, error) {
	_, reader, err := socket.NextReader()
	if err != nil {
		return nil, err
	}
	memory = memory[:0]
	for {
		if len(memory) == cap(memory) {
			memory = append(make([]byte, 0, max(512, 2*cap(memory))), memory...)
		}
		n, err := reader.Read(memory[len(memory):cap(memory)])
		memory = memory[:len(memory)+n]
		if err == io.EOF {
			return memory, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// raw measures what calls are compared with: a websocket with no protocol on top, and the two
// steps of HPKE that a call cannot do without.
type raw struct {
	target  target
	dialer  websocket.Dialer
	plain   *websocket.Conn
	sealing *websocket.Conn // to sealedPath
	key     *hpke.PrivateKey
	last    int // length of the latest reply
}

func newRaw(t target) (bench, func(), error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(t.RawCA)) {
		return nil, nil, errors.New("the raw echo has no authority")
	}
	key, err := hpke.GenerateKey()
	if err != nil {
		return nil, nil, err
	}
	r := &raw{target: t, key: key, dialer: websocket.Dialer{
		ReadBufferSize: bufferSize, WriteBufferSize: bufferSize,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13},
	}}
	if r.plain, err = r.dial(""); err != nil {
		return nil, nil, err
	}
	if r.sealing, err = r.dial(sealedPath); err != nil {
		return nil, nil, err
	}
	return r.run, func() { r.plain.Close(); r.sealing.Close() }, nil
}

func (r *raw) dial(path string) (*websocket.Conn, error) {
	socket, _, err := r.dialer.DialContext(context.Background(), r.target.RawURL+path, nil)
	return socket, err
}

func (r *raw) run(t task) (time.Duration, error) {
	input := payload(t.size)
	switch t.operation {
	case "connect":
		return r.connect(t.count)
	case "seal":
		return timed(t.count, func() error {
			_, err := hpke.Seal(r.key.PublicKey(), input)
			return err
		})
	case "open":
		sealed, err := hpke.Seal(r.key.PublicKey(), input)
		if err != nil {
			return 0, err
		}
		return timed(t.count, func() error {
			_, err := r.key.Open(sealed)
			return err
		})
	case "invoke":
		if t.inFlight > 1 {
			return r.pipeline(input, t)
		}
		return r.echoes(t.count, r.plain, input, func() ([]byte, error) { return input, nil })
	case "sealed":
		return r.echoes(t.count, r.sealing, input, func() ([]byte, error) {
			return hpke.Seal(r.target.RawKey, input)
		})
	}
	return 0, fmt.Errorf("no operation %q", t.operation)
}

// echoes makes count calls, each of which waits.
func (r *raw) echoes(count int, socket *websocket.Conn, input []byte, message func() ([]byte, error)) (time.Duration, error) {
	var reply []byte
	elapsed, err := timed(count, func() error {
		sent, err := message()
		if err == nil {
			err = socket.WriteMessage(websocket.BinaryMessage, sent)
		}
		if err == nil {
			reply, err = r.reply(socket)
		}
		return err
	})
	if err == nil && !bytes.Equal(reply, input) {
		err = errors.New("the raw echo is not one")
	}
	return elapsed, err
}

// reply gives each caller memory of its own, as the library has to. It is allocated in one piece,
// as the length of replies is known.
func (r *raw) reply(socket *websocket.Conn) ([]byte, error) {
	reply, err := receive(socket, make([]byte, 0, r.last+1))
	r.last = len(reply)
	return reply, err
}

// pipeline keeps messages in flight: one goroutine writes, this one reads.
func (r *raw) pipeline(input []byte, t task) (time.Duration, error) {
	window := make(chan struct{}, t.inFlight)
	written := make(chan error, 1)
	start := time.Now()
	go func() {
		for range t.count {
			window <- struct{}{}
			if err := r.plain.WriteMessage(websocket.BinaryMessage, input); err != nil {
				r.plain.Close()
				written <- err
				return
			}
		}
		written <- nil
	}()
	for range t.count {
		reply, err := r.reply(r.plain)
		if err != nil {
			return 0, err
		}
		if len(reply) != len(input) {
			return 0, errors.New("the raw echo is not one")
		}
		<-window
	}
	elapsed := time.Since(start)
	return elapsed, <-written
}

// connect is TCP, TLS and the websocket's handshake; the closing is not counted.
func (r *raw) connect(count int) (time.Duration, error) {
	var elapsed time.Duration
	for range count {
		start := time.Now()
		socket, err := r.dial("")
		elapsed += time.Since(start)
		if err != nil {
			return 0, err
		}
		_ = socket.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
		_ = socket.Close()
	}
	return elapsed, nil
}

func timed(count int, call func() error) (time.Duration, error) {
	start := time.Now()
	for range count {
		if err := call(); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

// payload is an input of a size, the same in every language: no two neighbouring bytes alike.
func payload(size int) []byte {
	input := make([]byte, size)
	for i := range input {
		input[i] = byte(i*31 + i>>8)
	}
	return input
}
