package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Request is one HTTP request, with what to trust on the way; see [DialOptions].
type Request struct {
	Method         string
	URL            *url.URL // http or https
	Token          string   // a bearer token; "": none
	Body           []byte   // nil: none
	ContentType    string   // of the body; "": not said
	TLSRoots       *x509.CertPool
	AllowPlaintext bool
	Proxy          *url.URL
	ReadLimit      int64 // bytes of the answer's body
}

// Fetch sends a request and returns the status of the answer, and its body, whatever the status
// is. Redirects are not followed: a token must go nowhere else. It ends by ctx's deadline; the error is
// an [*Error]. Where a request other than a GET had left by then, its reason ends in
// "outcome_unknown".
func Fetch(ctx context.Context, r Request) (status int, body []byte, err error) {
	plaintext := r.URL.Scheme != "https"
	if plaintext && !r.AllowPlaintext && r.Proxy != nil {
		return 0, nil, plaintextError(r.URL.Host, throughProxy)
	}
	dialer := net.Dialer{KeepAlive: 30 * time.Second}
	if plaintext && !r.AllowPlaintext {
		dialer.Control = loopbackOnly(r.URL.Host)
	}
	carrier := &http.Transport{
		DialContext: func(ctx context.Context, kind, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, kind, address)
			if err != nil {
				return nil, err
			}
			return quiet(conn), nil
		},
		TLSClientConfig:        &tls.Config{RootCAs: r.TLSRoots, MinVersion: tls.VersionTLS12},
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1 alone
		DisableKeepAlives:      true,
		DisableCompression:     true, // a limit does not bound what it expands to
		MaxResponseHeaderBytes: maxHandshake,
	}
	if r.Proxy != nil {
		carrier.Proxy = http.ProxyURL(r.Proxy)
	}
	var left atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { left.Store(r.Method != http.MethodGet) }})
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL.String(), bytes.NewReader(r.Body))
	if err != nil {
		return 0, nil, &Error{"argument.url", "the address cannot be asked for", err}
	}
	if r.Token != "" {
		request.Header.Set("Authorization", "Bearer "+r.Token)
	}
	if r.ContentType != "" {
		request.Header.Set("Content-Type", r.ContentType)
	}
	response, err := carrier.RoundTrip(request)
	if err != nil {
		return 0, nil, fetchError(ctx, r, left.Load(), err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, r.ReadLimit+1))
	if err != nil {
		return 0, nil, fetchError(ctx, r, left.Load(), err)
	}
	if int64(len(body)) > r.ReadLimit {
		return 0, nil, &Error{Reason: "limit.reply", Text: fmt.Sprintf("%s answered with more than %d bytes: is it a Cape service?", r.URL.Host, r.ReadLimit)}
	}
	return response.StatusCode, body, nil
}

// fetchError puts a failed request into words. left says that it may have been carried out.
func fetchError(ctx context.Context, r Request, left bool, err error) error {
	var network *net.OpError
	if r.Proxy != nil && ctx.Err() == nil && errors.As(err, &network) && network.Op == "proxyconnect" {
		return &Error{"connect.proxy", fmt.Sprintf("the proxy %s cannot be reached", r.Proxy.Host), err}
	}
	failure := dialError(ctx, r.URL.Host, err)
	var said *Error
	if !errors.As(failure, &said) {
		return failure
	}
	class, _, _ := strings.Cut(said.Reason, ".")
	switch lost := said.Reason == "connect.handshake" && isNetworkError(err); {
	case left && class == "cancelled":
		return &Error{"cancelled.outcome_unknown", "the request was cancelled after it was sent, and " + r.URL.Host + " may have carried it out: look for its effect in a list", err}
	case left && class == "timeout":
		return &Error{"timeout.outcome_unknown", "the deadline passed after the request was sent, and " + r.URL.Host + " may have carried it out: look for its effect in a list", err}
	case left && lost:
		return &Error{"closed.outcome_unknown", r.URL.Host + " closed the connection after the request was sent, and may have carried it out: look for its effect in a list", err}
	case said.Reason == "connect.handshake":
		return &Error{"connect.handshake", r.URL.Host + " did not answer with HTTP: check the address and the scheme", err}
	}
	return failure
}

// loopbackOnly refuses, after the name was resolved, to connect to another machine.
func loopbackOnly(host string) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		name, _, err := net.SplitHostPort(address)
		if err != nil || !net.ParseIP(name).IsLoopback() {
			return plaintextError(host, "")
		}
		return nil
	}
}
