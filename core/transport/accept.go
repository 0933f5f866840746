package transport

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/gorilla/websocket"
)

// AcceptOptions bounds a connection that a server accepts.
type AcceptOptions struct {
	Subprotocol string // echoed to the client; empty: none
	ReadLimit   int64  // bytes of one message
}

// Accept answers a websocket handshake on a listener from [QuietListener]. When it returns an
// error the HTTP response has been written.
func Accept(w http.ResponseWriter, r *http.Request, o AcceptOptions) (*Conn, error) {
	upgrader := websocket.Upgrader{
		ReadBufferSize: bufferSize, WriteBufferSize: bufferSize,
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": reason.Error(), "message": reason.Error()})
		},
	}
	header := http.Header{}
	if o.Subprotocol != "" {
		header.Set("Sec-WebSocket-Protocol", o.Subprotocol)
	}
	socket, err := upgrader.Upgrade(w, r, header)
	if err != nil {
		return nil, &Error{"protocol.handshake", "the client's websocket handshake is not acceptable", err}
	}
	network := socket.NetConn()
	if secure, ok := network.(*tls.Conn); ok {
		network = secure.NetConn()
	}
	return newConn(socket, quiet(network), o.ReadLimit), nil
}

// Subprotocols are all that the client offered, in order, with an empty one where a header line
// was empty: clients spread them over one line or several (RFC 6455 section 11.3.4).
func Subprotocols(r *http.Request) []string {
	var offered []string
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for item := range strings.SplitSeq(line, ",") {
			offered = append(offered, strings.TrimSpace(item))
		}
	}
	return offered
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
