package protocol

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const patience = 60 * time.Second

// The opcodes of frames (RFC 6455 section 5.2).
const (
	continuation = 0
	text         = 1
	binaryFrame  = 2
	closing      = 8
	ping         = 9
	pong         = 10
)

// peer is a client that sends bytes as they are given, and reads frames by itself.
type peer struct {
	t    *testing.T
	conn net.Conn
	from *bufio.Reader
}

func dial(t *testing.T, url string) *peer {
	t.Helper()
	_, address, _ := strings.Cut(url, "://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &peer{t, conn, bufio.NewReader(conn)}
}

func (p *peer) send(data []byte) {
	p.t.Helper()
	if _, err := p.conn.Write(data); err != nil {
		p.t.Fatal(err)
	}
}

// upgrade sends a handshake, and wants it to be taken and nothing but this scheme chosen.
func (p *peer) upgrade(request, scheme string) {
	p.t.Helper()
	p.send([]byte(request))
	response, err := http.ReadResponse(p.from, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(response.Body)
		p.t.Fatalf("the handshake is answered with %s %s", response.Status, body)
	}
	if chosen := response.Header.Values("Sec-WebSocket-Protocol"); len(chosen) != 1 || chosen[0] != scheme {
		p.t.Errorf("the enclave chooses %q, want %q", chosen, scheme)
	}
	// That of the key which all these handshakes have (RFC 6455 section 1.3).
	if accept := response.Header.Get("Sec-WebSocket-Accept"); accept != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		p.t.Errorf("Sec-WebSocket-Accept is %q", accept)
	}
	if extensions := response.Header.Get("Sec-WebSocket-Extensions"); extensions != "" {
		p.t.Errorf("the enclave turned on %q", extensions)
	}
}

// frame is one frame as clients send it, masked.
func frame(opcode byte, last bool, payload []byte) []byte {
	head := []byte{opcode}
	if last {
		head[0] |= 0x80
	}
	switch size := len(payload); {
	case size < 126:
		head = append(head, 0x80|byte(size))
	case size < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(size))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 0x80|127), uint64(size))
	}
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	head = append(head, mask[:]...)
	for i, b := range payload {
		head = append(head, b^mask[i%4])
	}
	return head
}

// message sends a message in frames of at most so many bytes, as Go's client does; 0: in one.
func (p *peer) message(opcode byte, data []byte, fragment int) {
	p.t.Helper()
	for fragment > 0 && len(data) > fragment {
		p.send(frame(opcode, false, data[:fragment]))
		opcode, data = continuation, data[fragment:]
	}
	p.send(frame(opcode, true, data))
}

// next returns the next message, or control frame, of the enclave.
func (p *peer) next() (opcode byte, message []byte) {
	p.t.Helper()
	for first := true; ; first = false {
		var head [2]byte
		p.read(head[:])
		code, last, size := head[0]&15, head[0]&0x80 != 0, uint64(head[1]&0x7f)
		if head[0]&0x70 != 0 || head[1]&0x80 != 0 {
			p.t.Fatalf("a frame begins with %x", head)
		}
		switch size {
		case 126:
			var long [2]byte
			p.read(long[:])
			size = uint64(binary.BigEndian.Uint16(long[:]))
		case 127:
			var long [8]byte
			p.read(long[:])
			size = binary.BigEndian.Uint64(long[:])
		}
		if size > 100<<20 {
			p.t.Fatalf("a frame of %d bytes", size)
		}
		payload := make([]byte, size)
		p.read(payload)
		if code >= closing {
			if !first {
				p.t.Fatal("a control frame in the middle of what was expected")
			}
			return code, payload
		}
		if first == (code == continuation) {
			p.t.Fatalf("the opcode %d where it does not belong", code)
		}
		if first {
			opcode = code
		}
		message = append(message, payload...)
		if last {
			return opcode, message
		}
	}
}

func (p *peer) read(into []byte) {
	p.t.Helper()
	if _, err := io.ReadFull(p.from, into); err != nil {
		p.t.Fatal(err)
	}
}

// wantGone wants the enclave to end the connection, with nothing more said.
func (p *peer) wantGone() {
	p.t.Helper()
	if _, err := p.from.ReadByte(); !errors.Is(err, io.EOF) {
		p.t.Errorf("the connection goes on: %v", err)
	}
}

// text returns the next message, which is text.
func (p *peer) text() []byte {
	p.t.Helper()
	opcode, message := p.next()
	if opcode != text {
		p.t.Fatalf("a message with the opcode %d", opcode)
	}
	return message
}
