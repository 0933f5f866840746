package enclave

import (
	"crypto/tls"
	"net"
	"slices"
	"time"
)

// tlsLifetime is how long the authority and the certificate of one enclave are valid.
const tlsLifetime = 397 * 24 * time.Hour

// secure wraps the listener in TLS where the options ask for it.
func (e *Enclave) secure(listener net.Listener) (net.Listener, error) {
	if !e.options.TLS {
		return listener, nil
	}
	from := time.Now().Add(-time.Hour)
	ca, err := newAuthority(certificateSpec{
		name: "libcape local enclave TLS authority", from: from, to: from.Add(tlsLifetime), ca: true,
	}, nil)
	if err != nil {
		return listener, err
	}
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if host := e.listenHost(); !slices.Contains(hosts, host) {
		hosts = append(hosts, host)
	}
	server, err := newAuthority(certificateSpec{
		name: "libcape local enclave", from: from, to: from.Add(tlsLifetime), hosts: hosts,
	}, ca)
	if err != nil {
		return listener, err
	}
	e.info.TLSCA = ca.pem()
	return tls.NewListener(listener, &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		Certificates: []tls.Certificate{{
			Certificate: [][]byte{server.certificate.Raw}, PrivateKey: server.key, Leaf: server.certificate,
		}},
	}), nil
}

// listenHost is the host by which clients reach the enclave: that of the options, or loopback
// where it listens on every address.
func (e *Enclave) listenHost() string {
	host, _, _ := net.SplitHostPort(e.options.Listen)
	address := net.ParseIP(host)
	switch {
	case host == "", address != nil && address.Equal(net.IPv4zero):
		return "127.0.0.1"
	case address != nil && address.IsUnspecified():
		return "::1"
	}
	return host
}

func (e *Enclave) url(address net.Addr) string {
	_, port, _ := net.SplitHostPort(address.String())
	scheme := "ws://"
	if e.options.TLS {
		scheme = "wss://"
	}
	return scheme + net.JoinHostPort(e.listenHost(), port)
}
