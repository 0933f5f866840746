package transport

import (
	"io"
	"time"

	"github.com/gorilla/websocket"
)

// WriteFrom sends one message that write makes piece by piece, so that it need not be in memory
// as a whole. It goes out in fragments (RFC 6455 section 5.4), each of which the peer has to take
// within stall. Other writers wait meanwhile; pings are answered. An error of write's is returned as
// it is. After any error the connection is of no more use.
func (c *Conn) WriteFrom(kind Kind, stall time.Duration, write func(io.Writer) error) error {
	if err := c.lockWriting(time.Now().Add(stall)); err != nil {
		return err
	}
	defer func() { <-c.writing }()
	messageType := websocket.TextMessage
	if kind == Binary {
		messageType = websocket.BinaryMessage
	}
	writer, err := c.socket.NextWriter(messageType)
	if err != nil {
		return c.writeError(err)
	}
	if err := write(&fragments{c, writer, stall}); err != nil {
		return err
	}
	if err := c.socket.SetWriteDeadline(time.Now().Add(stall)); err != nil {
		return c.writeError(err)
	}
	if err := writer.Close(); err != nil {
		return c.writeError(err)
	}
	return nil
}

// fragments hands pieces to the websocket, each with a deadline of its own.
type fragments struct {
	conn   *Conn
	writer io.Writer
	stall  time.Duration
}

// Write sends a piece, of which no part is kept.
func (f *fragments) Write(data []byte) (int, error) {
	written := 0
	for written < len(data) {
		piece := data[written:min(len(data), written+bufferSize)]
		if err := f.conn.socket.SetWriteDeadline(time.Now().Add(f.stall)); err != nil {
			return written, f.conn.writeError(err)
		}
		n, err := f.writer.Write(piece)
		f.conn.sent.Add(int64(n))
		written += n
		if err != nil {
			return written, f.conn.writeError(err)
		}
	}
	return written, nil
}

// Next is [Conn.Read] for a message that need not be in memory as a whole. It has to be read to its end, or to
// an error, before the next one is asked for. What was read of a message whose reader fails is a
// part of it.
func (c *Conn) Next() (Kind, io.Reader, error) {
	messageType, reader, err := c.socket.NextReader()
	if err != nil {
		return 0, nil, c.readError(err)
	}
	if messageType == websocket.BinaryMessage {
		return Binary, &message{c, reader}, nil
	}
	return Text, &message{c, reader}, nil
}

// message is one that is being read.
type message struct {
	conn *Conn
	from io.Reader
}

func (m *message) Read(into []byte) (int, error) {
	n, err := m.from.Read(into)
	m.conn.received.Add(int64(n))
	if err != nil && err != io.EOF {
		err = m.conn.readError(err)
	}
	return n, err
}
