package enclave

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// isOriginNear says whether a request comes from no page in a browser, or from one of this machine
// (RFC 6454 section 7). Where any token is good, every page that somebody looks at could have
// their browser run functions in the enclave on their machine. The name that a page gives the
// enclave proves nothing: it can be made to lead here.
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
