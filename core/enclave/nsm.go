package enclave

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync"
	"time"
)

const (
	leafLifetime = 3 * time.Hour
	leafReserve  = 30 * time.Minute // a new leaf is made when the old one has no more than this
	maxClaim     = 1024             // bytes of public_key, user_data and nonce each (nsm-api)
)

// securityModule simulates the Nitro security module: it keeps the attestation root of one
// enclave and signs documents under it. It is safe for concurrent use.
type securityModule struct {
	now      func() time.Time
	instance string // i-<17 hex>
	id       string // i-<17 hex>-enc<16 hex>
	root     *authority

	mu      sync.Mutex
	current *identity
}

// identity is a signing key with the certificates that vouch for it.
type identity struct {
	leaf     *authority
	cabundle [][]byte // DER, root first
}

func newSecurityModule(now func() time.Time) (*securityModule, error) {
	random := make([]byte, 17)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	digits := hex.EncodeToString(random)
	instance := "i-" + digits[:17]
	root, err := newAuthority(certificateSpec{
		name: "local.nitro-enclaves", from: now().AddDate(-1, 0, 0), to: now().AddDate(30, 0, 0),
		ca: true, pathLength: -1,
	}, nil)
	if err != nil {
		return nil, err
	}
	return &securityModule{
		now: now, instance: instance, id: instance + "-enc" + digits[17:33], root: root,
	}, nil
}

// identity returns the current signing key, renewed where it is about to end.
func (m *securityModule) identity() (*identity, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if m.current != nil {
		leaf := m.current.leaf.certificate
		if now.After(leaf.NotBefore) && now.Before(leaf.NotAfter.Add(-leafReserve)) {
			return m.current, nil
		}
	}
	fresh, err := m.issue(now, now.Add(leafLifetime))
	if err != nil {
		return nil, err
	}
	m.current = fresh
	return fresh, nil
}

// issue makes a chain of the shape that AWS uses: root, region, zone, instance, and a leaf for
// the enclave, which is valid from a minute before from. The certificates between have the
// lifetimes that AWS gives them.
func (m *securityModule) issue(from, to time.Time) (*identity, error) {
	const day = 24 * time.Hour
	random := make([]byte, 8)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	const region = "local-1.local.nitro-enclaves"
	serial := hex.EncodeToString(random)
	start := from.Add(-time.Hour)
	chain := []certificateSpec{
		{name: serial + "." + region, from: start, to: from.Add(20 * day), ca: true, pathLength: 2},
		{name: serial + ".zonal." + region, from: start, to: from.Add(6 * day), ca: true, pathLength: 1},
		{name: m.instance + "." + region, from: start, to: from.Add(day), ca: true, pathLength: 0},
		{name: m.id + "." + region, from: from.Add(-time.Minute), to: to},
	}
	issuer := m.root
	cabundle := [][]byte{m.root.certificate.Raw}
	for _, spec := range chain {
		next, err := newAuthority(spec, issuer)
		if err != nil {
			return nil, err
		}
		issuer = next
		if spec.ca {
			cabundle = append(cabundle, next.certificate.Raw)
		}
	}
	return &identity{leaf: issuer, cabundle: cabundle}, nil
}

// checkClaim refuses what the security module of AWS would refuse.
func checkClaim(what string, claim []byte) error {
	if len(claim) > maxClaim {
		return fmt.Errorf("%s has %d bytes: a document takes at most %d", what, len(claim), maxClaim)
	}
	return nil
}
