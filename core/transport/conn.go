// Package transport carries messages over a websocket (RFC 6455), for both sides of a session.
//
// [Dial] opens the client's side and [Accept] the enclave's. Both give a [Conn] with the same
// bounds: a message that is larger than the read limit is refused before it is held in memory,
// compression is never negotiated (a read limit does not bound what it expands to), and a write
// to a dead peer is an error, never a signal. Nothing here reads the environment.
package transport

import (
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// Kind tells the two kinds of messages apart. The protocol fixes which one each step uses.
type Kind int

// The kinds of messages.
const (
	Text Kind = iota + 1
	Binary
)

const (
	bufferSize = 64 << 10         // of a frame that is written; larger messages go out in fragments
	firstRead  = 512              // what a first message is read into, in bytes; it grows as they come
	closeWait  = time.Second      // how long a close frame may take to leave
	refuseWait = 5 * time.Second  // how long a peer that is busy sending may take to hear of it
	pongWait   = 30 * time.Second // how long the answer to a ping may wait behind other writes
)

// Conn is an open websocket. One goroutine may Read while any number of others Write, Ping and
// Close. Nothing is read, and so no ping answered, unless somebody is in Read.
type Conn struct {
	socket    *websocket.Conn
	network   *quietConn
	writing   chan struct{} // holds one token: the right to write a message
	answering atomic.Bool   // the answer to a ping is on its way
	closed    atomic.Bool
	farewell  atomic.Pointer[websocket.CloseError] // the peer's
	sent      atomic.Int64                         // bytes of messages, from the first one on
	received  atomic.Int64
	lastSize  int // of the message that was read last, in bytes
}

func newConn(socket *websocket.Conn, network *quietConn, readLimit int64) *Conn {
	c := &Conn{socket: socket, network: network, writing: make(chan struct{}, 1)}
	socket.SetReadLimit(readLimit)
	socket.SetPingHandler(c.pong)
	socket.SetCloseHandler(c.heardFarewell)
	return c
}

// heardFarewell answers the peer's close frame. Whoever is writing may find out sooner than the reader
// that the connection is over, and knows why.
func (c *Conn) heardFarewell(code int, text string) error {
	c.farewell.Store(&websocket.CloseError{Code: code, Text: text})
	_ = c.socket.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(closeWait))
	return nil
}

// pong answers a ping without keeping the reader waiting: the answer may have to wait for a peer
// that does not read, and that peer for our reading. A ping that comes meanwhile needs no answer
// of its own (RFC 6455 section 5.5.3).
func (c *Conn) pong(data string) error {
	if c.answering.CompareAndSwap(false, true) {
		Spawn(func() {
			defer c.answering.Store(false)
			_ = c.socket.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(pongWait))
		}, nil)
	}
	return nil
}

// Read returns the next message. The slice is the caller's. After an error, which is an
// [*Error], every further call fails too.
func (c *Conn) Read() (Kind, []byte, error) { return c.ReadInto(nil) }

// ReadInto is Read into a buffer that the caller hands over: its content is lost, and the message
// may lie in it or in a larger one.
func (c *Conn) ReadInto(buffer []byte) (Kind, []byte, error) {
	kind, reader, err := c.socket.NextReader()
	if err != nil {
		return 0, nil, c.readError(err)
	}
	data := buffer[:0]
	for {
		if len(data) == cap(data) {
			// Messages are often as large as the one before, and one byte more shows the end;
			// otherwise the room doubles.
			filled := data
			data = slices.Grow(filled, max(len(filled), c.lastSize+1-len(filled), firstRead))
			clear(filled) // a part of what may be a secret
		}
		n, err := reader.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		c.received.Add(int64(n))
		if err == io.EOF {
			break
		}
		if err != nil {
			clear(data)
			return 0, nil, c.readError(err)
		}
	}
	c.lastSize = len(data)
	if kind == websocket.BinaryMessage {
		return Binary, data, nil
	}
	return Text, data, nil
}

// Write sends one message. It waits for other writers and for the peer until deadline; the zero
// time waits without end. When the deadline passes with a message half sent, the connection is
// of no more use. data is only read.
func (c *Conn) Write(kind Kind, data []byte, deadline time.Time) error {
	return c.WritePieces(kind, deadline, data)
}

// WritePieces is Write for one message in several pieces.
func (c *Conn) WritePieces(kind Kind, deadline time.Time, message ...[]byte) error {
	if err := c.lockWriting(deadline); err != nil {
		return err
	}
	defer func() { <-c.writing }()
	if err := c.socket.SetWriteDeadline(deadline); err != nil {
		return c.writeError(err)
	}
	messageType := websocket.TextMessage
	if kind == Binary {
		messageType = websocket.BinaryMessage
	}
	if err := c.writeFragments(messageType, message); err != nil {
		return c.writeError(err)
	}
	return nil
}

// writeFragments hands the message over a buffer at a time. A server's WriteMessage would send it
// as one frame, in the middle of which no ping can be answered.
func (c *Conn) writeFragments(messageType int, message [][]byte) error {
	writer, err := c.socket.NextWriter(messageType)
	if err != nil {
		return err
	}
	for _, data := range message {
		for len(data) > 0 {
			piece := data[:min(len(data), bufferSize)]
			if _, err := writer.Write(piece); err != nil {
				return err
			}
			c.sent.Add(int64(len(piece)))
			data = data[len(piece):]
		}
	}
	return writer.Close()
}

func (c *Conn) lockWriting(deadline time.Time) error {
	select {
	case c.writing <- struct{}{}:
		return nil
	default:
	}
	var expired <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case c.writing <- struct{}{}:
		return nil
	case <-expired:
		return &Error{Reason: "timeout.write", Text: "the connection was busy with other messages until the deadline"}
	}
}

// Ping asks the peer for a sign of life, which Heard tells of. It may be called while a message
// is being written, and goes out between two of its fragments.
func (c *Conn) Ping(deadline time.Time) error {
	if err := c.socket.WriteControl(websocket.PingMessage, nil, deadline); err != nil {
		return c.writeError(err)
	}
	return nil
}

// SetReadLimit changes how many bytes a message may have, from the next one on. It may not be
// called while another goroutine is in Read.
func (c *Conn) SetReadLimit(bytes int64) { c.socket.SetReadLimit(bytes) }

// Heard is when the last byte arrived from the peer, by a clock that is never set.
func (c *Conn) Heard() time.Time { return c.network.opened.Add(time.Duration(c.network.heard.Load())) }

// Sent and Received count the bytes of all messages so far, of those under way too. Any goroutine
// may call them.
func (c *Conn) Sent() int64     { return c.sent.Load() }
func (c *Conn) Received() int64 { return c.received.Load() }

// Drained says that the peer's machine has all that was written, so that a short message can be
// written without waiting for the peer. Where that cannot be known, it says no.
func (c *Conn) Drained() bool { return c.network.drained() }

// CloseWith tells the peer why (RFC 6455 section 7.4: code 1000 is a normal end; text at most
// 123 bytes) and closes. It takes at most about a second.
func (c *Conn) CloseWith(code int, text string) {
	_ = c.socket.WriteControl(websocket.CloseMessage,
		websocket.FormatCloseMessage(code, text), time.Now().Add(closeWait))
	_ = c.Close()
}

// Refuse is CloseWith for whoever reads, and reads on until the peer has heard it: if it sends more
// meanwhile, and nobody reads it, its machine tells it of a lost connection before anything else. It
// takes at most about six seconds.
func (c *Conn) Refuse(code int, text string) {
	_ = c.socket.WriteControl(websocket.CloseMessage,
		websocket.FormatCloseMessage(code, text), time.Now().Add(closeWait))
	defer c.Close()
	if c.socket.SetReadDeadline(time.Now().Add(refuseWait)) != nil {
		return
	}
	for {
		_, reader, err := c.socket.NextReader()
		if err == nil {
			_, err = io.Copy(io.Discard, reader)
		}
		if err != nil {
			return
		}
	}
}

// Close drops the connection at once and wakes Read and Write. It may be called more than once.
func (c *Conn) Close() error {
	c.closed.Store(true)
	return c.network.Close()
}

// NetConn is the connection below, for tests that break it in ways that this type cannot.
func (c *Conn) NetConn() net.Conn { return c.network }
