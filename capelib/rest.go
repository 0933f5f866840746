package capelib

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/libcape/libcape/core/transport"
	"github.com/libcape/libcape/core/wire"
)

const (
	maxList     = 8 << 20 // bytes of the answer to a list
	defaultList = 50      // functions
)

// FunctionRecord is a deployed function; its ID, Name and CreatedAt are those that a list has.
type FunctionRecord = wire.FunctionRecord

// restCall is one call of a REST route.
type restCall struct {
	method string
	query  url.Values
	body   []byte
	limit  int64 // bytes of the answer
}

// fetch calls a REST route, and gives the body of its answer if it succeeds. There is no
// attestation on these: what they say is protected by TLS alone.
func (o Options) fetch(ctx context.Context, t *target, r restCall) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	address := *t.endpoint
	address.Scheme = strings.Replace(address.Scheme, "ws", "http", 1)
	address.RawQuery = r.query.Encode()
	contentType := ""
	if r.body != nil {
		contentType = "application/json"
	}
	status, body, err := transport.Fetch(ctx, transport.Request{
		Method: r.method, URL: &address, Token: o.Token, Body: r.body, ContentType: contentType,
		TLSRoots: t.authorities, AllowPlaintext: o.InsecureWS, Proxy: t.proxy, ReadLimit: r.limit,
	})
	if err != nil {
		return nil, o.routeError(t, err, nil)
	}
	if status == http.StatusOK || status == http.StatusCreated {
		return body, nil
	}
	return nil, o.statusError(t, status, body)
}

// statusError puts an answer that is no success into words, with the service's own.
func (o Options) statusError(t *target, status int, body []byte) *Error {
	host, said := t.endpoint.Host, wire.DecodeRESTError(body)
	if said != "" {
		said = ": " + said
	}
	var failure *Error
	switch {
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && o.Token == "":
		failure = NewError("auth.rejected", fmt.Sprintf("%s wants a token, and none was given (HTTP %d)%s", host, status, said))
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		failure = NewError("auth.rejected", fmt.Sprintf("%s refused the token (HTTP %d)%s", host, status, said))
	case status == http.StatusNotFound && said != "":
		failure = NewError("connect.not_found", fmt.Sprintf("%s does not have what was asked for%s", host, said))
	case status == http.StatusNotFound:
		failure = NewError("connect.route", fmt.Sprintf("%s does not know the route %s: check the url, and whether the service offers this", host, t.endpoint.Path))
	case status >= 300 && status < 400:
		failure = NewError("connect.status", fmt.Sprintf("%s redirects to another address (HTTP %d): give that one", host, status))
	default:
		failure = NewError("connect.status", fmt.Sprintf("%s answered with HTTP %d%s", host, status, said))
	}
	failure.Message = withoutSecret(failure.Message, o.Token)
	return failure
}

// call is fetch for callers that have no target yet. A policy plays no part.
func (o Options) call(ctx context.Context, route string, r restCall) (*target, []byte, error) {
	t, err := o.checkRoute(route)
	if err != nil {
		return nil, nil, err
	}
	body, err := o.fetch(ctx, t, r)
	return t, body, err
}

// List gives the functions of whoever the token belongs to, the newest first: up to limit of them,
// which is 1 to 1000, or 0 for 50, from the one at offset on. A service of this project tells the
// name of a function only while that leads to it. Of the options, Function and Policy are not used: nothing is
// attested, and what comes is what the service says.
func List(ctx context.Context, o Options, limit, offset int) ([]FunctionRecord, error) {
	if limit == 0 {
		limit = defaultList
	}
	if limit < 1 || limit > 1000 || offset < 0 {
		return nil, NewError("argument.size", "the limit of a list is not 1 to 1000, or its offset is negative")
	}
	query := url.Values{"limit": {strconv.Itoa(limit)}, "offset": {strconv.Itoa(offset)}}
	return list[FunctionRecord](ctx, o, "/v1/functions", query)
}

func list[Record any](ctx context.Context, o Options, route string, query url.Values) ([]Record, error) {
	t, body, err := o.call(ctx, route, restCall{method: http.MethodGet, query: query, limit: maxList})
	if err != nil {
		return nil, err
	}
	records, err := wire.DecodeList[Record](body)
	if err != nil {
		return nil, o.routeError(t, err, nil)
	}
	return records, nil
}

// Delete removes a function, by its id. It can be run no more.
func Delete(ctx context.Context, o Options, id string) error {
	return remove(ctx, o, "/v1/functions/", id)
}

func remove(ctx context.Context, o Options, route, id string) error {
	if err := checkPart(id, "id"); err != nil {
		return err
	}
	_, _, err := o.call(ctx, route+id, restCall{method: http.MethodDelete, limit: maxList})
	var failure *Error
	if errors.As(err, &failure) && failure.Reason == "connect.route" { // a service that does not say what is missing
		return NewError("connect.not_found", "there is no "+id+", or the service does not offer this: see what there is with a list")
	}
	return err
}
