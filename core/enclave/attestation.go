package enclave

import (
	"encoding/json"
	"time"
)

// claims is what a session asks the security module to sign.
type claims struct {
	publicKey []byte
	checksum  []byte // SHA-256 of the function's zip
	signer    []byte // public key of the checksums' signatures, PKCS#1 DER
	key       []byte // a user's Cape key, DER
	nonce     []byte
}

// userData is the JSON in user_data. Both names of the checksum are sent: clients of different
// age look for different ones. There is no key policy, so its checksum has no name at all.
type userData struct {
	FuncChecksum []byte `json:"func_checksum,omitempty"`
	FuncHash     []byte `json:"func_hash,omitempty"`
	Signer       []byte `json:"signature_verification_public_key,omitempty"`
	Key          []byte `json:"key,omitempty"`
}

// attest returns a signed document, with whatever faults are set.
func (e *Enclave) attest(c claims) ([]byte, error) {
	c = e.forgeClaims(c)
	data, err := json.Marshal(userData{FuncChecksum: c.checksum, FuncHash: c.checksum, Signer: c.signer, Key: c.key})
	if err != nil {
		return nil, err
	}
	if e.faulty(MissingUserData) {
		data = nil
	}
	if err := checkClaim("the nonce", c.nonce); err != nil {
		return nil, err
	}
	payload := document{PCRs: e.pcrs, PublicKey: c.publicKey, UserData: data, Nonce: c.nonce}
	if e.faulty(ZeroPCRs) {
		payload.PCRs = zeroPCRs()
	}
	if e.faulty(WrongPCR) {
		payload.PCRs = wrongPCRs(payload.PCRs)
	}
	by, err := e.signer()
	if err != nil {
		return nil, err
	}
	payload.identify(e.module.id, by, e.documentTime())
	signed, err := payload.encode()
	if err != nil {
		return nil, err
	}
	shipped := signed
	if e.faulty(DocumentTampered) {
		payload.PCRs = wrongPCRs(payload.PCRs)
		if shipped, err = payload.encode(); err != nil {
			return nil, err
		}
	}
	document, err := seal(signed, shipped, by.leaf.key)
	if err == nil && e.faulty(DocumentTruncated) {
		document = document[:len(document)/2]
	}
	return document, err
}

// signer is the identity that signs, which is a false one where a fault says so.
func (e *Enclave) signer() (*identity, error) {
	m := e.module
	switch {
	case e.faulty(ForeignRoot), e.faulty(ForeignChain):
		foreign, err := newSecurityModule(m.now)
		if err != nil {
			return nil, err
		}
		foreign.instance, foreign.id = m.instance, m.id
		by, err := foreign.identity()
		if err == nil && e.faulty(ForeignChain) {
			by.cabundle[0] = m.root.certificate.Raw
		}
		return by, err
	case e.faulty(ExpiredLeaf):
		return m.issue(m.now().Add(-leafLifetime-time.Hour), m.now().Add(-time.Hour))
	case e.faulty(ClockOff):
		at := e.documentTime()
		return m.issue(at, at.Add(leafLifetime))
	}
	return m.identity()
}

const clockError = 72 * time.Hour

func (e *Enclave) documentTime() time.Time {
	if e.faulty(ClockOff) {
		return e.module.now().Add(clockError)
	}
	return e.module.now()
}
