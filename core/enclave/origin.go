package enclave

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// CheckOrigin refuses the caller where the request is that of a page in a browser, any credential
// would have been as good, and the page is not of this machine. Every page that somebody looks at
// could otherwise have their browser run functions in the enclave on their machine, or have it make
// a token, which is good for the rest.
func (c Caller) CheckOrigin(r *http.Request) error {
	if !c.Unproven || isOriginNear(r) {
		return nil
	}
	return &Refusal{http.StatusForbidden, "a page of another machine may not use an enclave that takes any token: start it with --auth, or serve the page from this machine"}
}

// isOriginNear says whether a request comes from no page in a browser, or from one of this machine
// (RFC 6454 section 7). The name that a page gives the enclave proves nothing: it can be made to
// lead here.
func isOriginNear(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	from, err := url.Parse(origin)
	if err != nil {
		return false
	}
	host := from.Hostname()
	address := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || address != nil && address.IsLoopback()
}
