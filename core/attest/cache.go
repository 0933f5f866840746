package attest

import (
	"crypto/sha256"
	"sync"
	"time"
)

// The sizes of a Verifier's caches. A region has a few CA certificates of AWS at a time and one
// for each parent instance; each enclave has one of its own, for three hours.
const (
	maxCachedCAs    = 512
	maxCachedLeaves = 256
)

// link names a certificate and the one that issued it, by SHA-256 of their DER.
type link struct {
	certificate, issuer [sha256.Size]byte
}

// cache remembers certificates of which it is known that their issuer's key signed them. That is
// a fact about two certificates, whatever roots are trusted and whatever the time is; everything
// else about a chain is judged anew each time. The zero value is ready. Safe for concurrent use.
type cache struct {
	mu      sync.RWMutex
	entries map[link]*certificate
	order   []link // ring of what was entered, oldest at next
	next    int
}

// find returns a certificate that was entered and has not expired at the time.
func (c *cache) find(l link, at time.Time) *certificate {
	c.mu.RLock()
	cert := c.entries[l]
	c.mu.RUnlock()
	if cert == nil || at.After(cert.x509.NotAfter) {
		return nil
	}
	return cert
}

// enter remembers a certificate in place of the oldest, where there are most of them.
func (c *cache) enter(l link, cert *certificate, most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[l] != nil {
		return
	}
	if c.entries == nil {
		c.entries = make(map[link]*certificate)
	}
	if len(c.order) < most {
		c.order = append(c.order, l)
	} else {
		delete(c.entries, c.order[c.next])
		c.order[c.next] = l
		c.next = (c.next + 1) % most
	}
	c.entries[l] = cert
}
