package capelib

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/libcape/libcape/core/attest"
)

// DefaultTimeout is the deadline of every wait that the options leave open.
const DefaultTimeout = 30 * time.Second

// TokenType says what a token is, which decides the scheme that is offered to the enclave.
type TokenType string

// The types of tokens.
const (
	AccessToken   TokenType = "access"   // a user's; the default
	FunctionToken TokenType = "function" // for one function
)

// Options says where to connect, and what to trust there.
type Options struct {
	// URL is the enclave's address: wss://host[:port] or https://host[:port], or with ws:// and
	// http:// a loopback one. Required.
	URL string
	// Function is an id of 22 characters, or "user/name". Required.
	Function string
	// Policy says which enclaves are accepted. Required: there is no default that accepts any.
	Policy *Policy
	// Token is the credential. It is sent to the enclave's front, protected by TLS only.
	Token     string
	TokenType TokenType
	// AttestationRoots, PEM, are trusted in place of the embedded AWS Nitro root. nil is that
	// root; what is empty but not nil is refused.
	AttestationRoots []byte
	// TLSCA, PEM, are the authorities trusted for TLS in place of the system's; nil is those.
	TLSCA []byte
	// InsecureWS permits ws:// to a host that is not loopback: results can then be read and
	// forged on the way.
	InsecureWS bool
	// Proxy is the http:// address of a proxy for CONNECT. The environment is not read.
	Proxy string
	// Timeout bounds Connect, and each Invoke. 0 means DefaultTimeout.
	Timeout time.Duration
	// Reconnect makes a call dial again when the connection was lost before it, under the same
	// options and with a fresh nonce. No request is sent twice. What the function kept for its
	// session is gone with it.
	Reconnect bool
	// SignedResults has the enclave sign each result with a key that its attestation document
	// states. A result that is not proved so ends the connection ([CodeAttestation]). It costs the
	// enclave about a millisecond for each call; without it, results are protected by TLS alone.
	SignedResults bool
}

// target is what Options come to, checked.
type target struct {
	endpoint     *url.URL
	subprotocols []string
	roots        [][]byte
	authorities  *x509.CertPool
	proxy        *url.URL
	timeout      time.Duration
}

func (o Options) check() (*target, error) {
	t, err := o.checkAttested("/v1/run/" + o.Function)
	if err != nil {
		return nil, err
	}
	if err := checkFunction(o.Function); err != nil {
		return nil, err
	}
	return t, nil
}

// checkAttested is for the routes on which the enclave attests.
func (o Options) checkAttested(route string) (*target, error) {
	if o.Policy == nil {
		return nil, NewError("argument.policy_missing", "no policy was given: pin the enclave's PCRs, or say \"any\" to accept any enclave")
	}
	if err := o.Policy.Check(); err != nil {
		return nil, AsError(err)
	}
	return o.checkRoute(route)
}

func (o Options) checkRoute(route string) (*target, error) {
	t := &target{timeout: o.Timeout}
	if t.timeout == 0 {
		t.timeout = DefaultTimeout
	}
	if t.timeout < 0 {
		return nil, NewError("argument.timeout", "the time-out is negative: give a positive one, or 0 for 30 s")
	}
	var err error
	if t.endpoint, err = endpoint(o.URL, route); err != nil {
		return nil, err
	}
	if t.subprotocols, err = subprotocols(o.Token, o.TokenType); err != nil {
		return nil, err
	}
	if o.AttestationRoots != nil {
		if t.roots, err = attest.ParseRoots(o.AttestationRoots); err != nil {
			return nil, AsError(err)
		}
	}
	if o.TLSCA != nil {
		t.authorities = x509.NewCertPool()
		if !t.authorities.AppendCertsFromPEM(o.TLSCA) {
			return nil, NewError("argument.tls_ca", "tls_ca holds no certificate: pass PEM text with BEGIN CERTIFICATE")
		}
	}
	if o.Proxy != "" {
		t.proxy, err = url.Parse(o.Proxy)
		if err != nil || t.proxy.Scheme != "http" || t.proxy.Host == "" {
			return nil, NewError("argument.proxy", "the proxy is not an address of the form http://host:port")
		}
	}
	return t, nil
}

// endpoint is the websocket address of a route.
func endpoint(base, route string) (*url.URL, error) {
	fail := func(what string) error {
		return NewError("argument.url", "the url "+what+": give one such as wss://enclave.example.com")
	}
	if base == "" {
		return nil, fail("is missing")
	}
	u, err := url.Parse(strings.TrimSpace(base))
	if err != nil {
		return nil, fail("cannot be parsed")
	}
	switch u.Scheme {
	case "wss", "https":
		u.Scheme = "wss"
	case "ws", "http":
		u.Scheme = "ws"
	default:
		return nil, fail("has neither of the schemes wss:// and ws://")
	}
	switch port := u.Port(); {
	case u.Hostname() == "":
		return nil, fail("has no host")
	case u.User != nil:
		return nil, fail("has a user name in it")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fail("has a query or a fragment")
	case port != "":
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, fail("has a port that is not 1 to 65535")
		}
	}
	u.Path = strings.TrimRight(u.Path, "/") + route
	u.RawPath = ""
	return u, nil
}

func checkFunction(function string) error {
	if function == "" {
		return NewError("argument.function", "the function is missing: give its id, or \"user/name\"")
	}
	user, name, named := strings.Cut(function, "/")
	if !named {
		user, name = "user", function
	}
	if !isUser(user) || !isName(name) {
		return NewError("argument.function", "the function is neither an id nor \"user/name\": letters, digits, '_', '.' and '-' may stand in one, and '@' in the user")
	}
	return nil
}

// isName says whether a part of a route may be a name or an id.
func isName(part string) bool {
	return len(part) > 0 && len(part) <= 128 && part != "." && part != ".." &&
		strings.Trim(part, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == ""
}

// isUser says whether a part of a route may be a user: some issuers call them by their addresses.
func isUser(part string) bool {
	return isName(strings.ReplaceAll(part, "@", "-"))
}

// subprotocols are what the client offers: the scheme, then the token if there is one. A token
// is of the characters that RFC 7230 section 3.2.6 allows there.
func subprotocols(token string, kind TokenType) ([]string, error) {
	var scheme string
	switch kind {
	case AccessToken, "":
		scheme = "cape.runtime"
	case FunctionToken:
		scheme = "cape.function"
	default:
		return nil, NewError("argument.token", fmt.Sprintf("the token type is neither %q nor %q", AccessToken, FunctionToken))
	}
	if token == "" {
		return []string{scheme}, nil
	}
	for i := 0; i < len(token); i++ {
		c := token[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return nil, NewError("argument.token", fmt.Sprintf("the token has a character that cannot be sent, at position %d: is there a space or a line break in it?", i))
		}
	}
	return []string{scheme, token}, nil
}
