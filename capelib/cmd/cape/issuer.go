package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/libcape/libcape/capelib"
)

// issuer is who makes the tokens of logins.
type issuer struct {
	oauth2.Config
	address string
	client  *http.Client
}

func (e *environment) newIssuer(address, tlsCA string) (*issuer, error) {
	if err := e.refuseUnchecked(); err != nil {
		return nil, err
	}
	address = strings.TrimSuffix(strings.TrimSpace(address), "/")
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || parsed.User != nil || parsed.Scheme != "https" && (parsed.Scheme != "http" || !isLoopback(parsed.Hostname())) {
		return nil, usagef("the issuer's address %s is not of the form https://host, or http:// to this machine", shown(address))
	}
	authorities, err := e.file("--tls-ca", tlsCA, "tls_ca")
	if err != nil {
		return nil, err
	}
	var roots *x509.CertPool
	if authorities != nil {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(authorities) {
			return nil, capelib.NewError("argument.tls_ca", "tls_ca holds no certificate: give a file with BEGIN CERTIFICATE")
		}
	}
	carrier := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: capelib.DefaultTimeout}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &issuer{
		Config: oauth2.Config{
			ClientID: e.get("client_id"),
			Scopes:   []string{"openid", "profile", "email", "offline_access"},
			Endpoint: oauth2.Endpoint{
				DeviceAuthURL: address + "/oauth/device/code", TokenURL: address + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams,
			},
		},
		address: address,
		// No redirects: what is sent is for this issuer only.
		client: &http.Client{Transport: carrier, Timeout: capelib.DefaultTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// with makes requests of the oauth2 package go out as this issuer's do, and end with ctx: by itself
// the package lets the first one of a login go on.
func (i *issuer) with(ctx context.Context) context.Context {
	client := *i.client
	client.Transport = endingTransport{ctx, client.Transport}
	return context.WithValue(ctx, oauth2.HTTPClient, &client)
}

// endingTransport makes requests with a context in place of their own.
type endingTransport struct {
	ctx  context.Context
	next http.RoundTripper
}

func (t endingTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, end := context.WithTimeout(t.ctx, capelib.DefaultTimeout)
	response, err := t.next.RoundTrip(request.WithContext(ctx))
	if err != nil {
		end()
		return nil, err
	}
	response.Body = endingBody{response.Body, end}
	return response, nil
}

// endingBody lets go of a request's context when the answer has been read.
type endingBody struct {
	io.ReadCloser
	end context.CancelFunc
}

func (b endingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

// failure puts an error of the oauth2 package into words, without what was sent or received.
func (i *issuer) failure(ctx context.Context, err error) error {
	var refused *oauth2.RetrieveError
	var network *url.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return capelib.NewError("cancelled.not_sent", "the login was cancelled")
	case errors.As(err, &refused) && refused.ErrorCode == "expired_token", ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded):
		return capelib.NewError("timeout.connect", "nobody agreed to the login in time: run 'cape login' again")
	case errors.As(err, &refused) && refused.ErrorCode != "":
		text := refused.ErrorCode
		if refused.ErrorDescription != "" {
			text += ": " + refused.ErrorDescription
		}
		return capelib.NewError("auth.rejected", fmt.Sprintf("%s refused the login: %s", i.address, text))
	case errors.As(err, &refused) && refused.Response != nil:
		return capelib.NewError("connect.status", fmt.Sprintf("%s answered with HTTP %d: is it an issuer of tokens?", i.address, refused.Response.StatusCode))
	case errors.As(err, &network):
		return capelib.NewError("connect.unreachable", fmt.Sprintf("%s cannot be asked: %v: is this the issuer's address, and does the issuer run?", i.address, network.Err))
	default:
		return capelib.NewError("protocol.message", i.address+" did not answer as an issuer of tokens does: check the address")
	}
}
