package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// maxHandshake bounds what a server may send before the websocket is open, certificates
// included, in bytes.
const maxHandshake = 256 << 10

// DialOptions says where to connect and what to trust.
type DialOptions struct {
	URL            *url.URL       // ws or wss, with the path
	Subprotocols   []string       // the scheme, then the token if there is one
	TLSRoots       *x509.CertPool // nil: the system's authorities
	AllowPlaintext bool           // permit ws to a host that is not loopback
	Proxy          *url.URL       // http proxy for CONNECT; nil: none
	ReadLimit      int64          // bytes of one message
}

// Dial opens a websocket. It ends by ctx's deadline and stops when ctx is cancelled; the error is
// an [*Error]. Without AllowPlaintext a ws address must be loopback after name resolution, and
// may not go through a proxy.
func Dial(ctx context.Context, o DialOptions) (*Conn, error) {
	plaintext := o.URL.Scheme != "wss"
	if plaintext && !o.AllowPlaintext && o.Proxy != nil {
		return nil, plaintextError(o.URL.Host, throughProxy)
	}
	dialer := net.Dialer{KeepAlive: 30 * time.Second}
	if plaintext && !o.AllowPlaintext {
		dialer.Control = loopbackOnly(o.URL.Host)
	}
	var network *quietConn
	release := func() bool { return true }
	defer func() { release() }()
	websocketDialer := websocket.Dialer{
		NetDialContext: func(ctx context.Context, kind, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, kind, address)
			if err != nil {
				return nil, err
			}
			network = quiet(conn)
			network.allowance.Store(maxHandshake)
			// A cancelled context has to end the handshake too, which only watches deadlines.
			release = SpawnWhenDone(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }, nil)
			return network, nil
		},
		TLSClientConfig: &tls.Config{RootCAs: o.TLSRoots, MinVersion: tls.VersionTLS12},
		Subprotocols:    o.Subprotocols,
		ReadBufferSize:  bufferSize,
		WriteBufferSize: bufferSize,
	}
	if o.Proxy != nil {
		websocketDialer.Proxy = http.ProxyURL(o.Proxy)
	}
	socket, response, err := websocketDialer.DialContext(ctx, o.URL.String(), nil)
	if err != nil {
		if errors.Is(err, websocket.ErrBadHandshake) && response != nil {
			return nil, responseError(o.URL.Host, response)
		}
		if o.Proxy != nil && network == nil && ctx.Err() == nil {
			return nil, &Error{"connect.proxy", fmt.Sprintf("the proxy %s cannot be reached", o.Proxy.Host), err}
		}
		return nil, dialError(ctx, o.URL.Host, err)
	}
	if err := checkResponse(o, response); err != nil {
		_ = socket.Close()
		return nil, err
	}
	if !release() {
		_ = socket.Close()
		return nil, dialError(ctx, o.URL.Host, ctx.Err())
	}
	network.allowance.Store(-1)
	return newConn(socket, network, o.ReadLimit), nil
}

// checkResponse refuses what was not asked for. The websocket library would turn compression on
// because the server says so, and takes any subprotocol.
func checkResponse(o DialOptions, response *http.Response) error {
	if len(response.Header.Values("Sec-WebSocket-Extensions")) > 0 {
		return &Error{Reason: "protocol.handshake", Text: o.URL.Host + " forces a websocket extension that was not offered"}
	}
	chosen := response.Header.Values("Sec-WebSocket-Protocol")
	if len(chosen) > 1 || len(chosen) == 1 && (len(o.Subprotocols) == 0 || chosen[0] != o.Subprotocols[0]) {
		return &Error{Reason: "protocol.handshake", Text: o.URL.Host + " chose a websocket subprotocol that was not offered"}
	}
	return nil
}

// throughProxy is why even a loopback address is refused.
const throughProxy = " through a proxy"

func plaintextError(host, through string) error {
	return &Error{Reason: "argument.insecure_url", Text: fmt.Sprintf(
		"ws:// to %s%s would send results unprotected: use wss://, or allow that by name (insecure_ws)", host, through)}
}

// responseError puts a plain HTTP answer into words, with the server's own text where it gave
// one.
func responseError(host string, response *http.Response) error {
	said := ""
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
	var reply struct{ Error, Message string }
	if json.Unmarshal(body, &reply) == nil && (reply.Error != "" || reply.Message != "") {
		if said = reply.Error; said == "" {
			said = reply.Message
		}
		said = ": " + strings.Join(strings.Fields(strings.ToValidUTF8(said, "?")), " ")
	}
	switch status := response.StatusCode; status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return &Error{Reason: "auth.rejected", Text: fmt.Sprintf("%s refused the token (HTTP %d)%s", host, status, said)}
	case http.StatusNotFound:
		return &Error{Reason: "connect.function", Text: fmt.Sprintf("%s has no such function, or is no Cape enclave (HTTP %d)%s", host, status, said)}
	default:
		if said == "" {
			said = ": check the address, and whether it is ws:// or wss://"
		}
		return &Error{Reason: "connect.status", Text: fmt.Sprintf("%s answered with HTTP %d in place of a websocket%s", host, status, said)}
	}
}
