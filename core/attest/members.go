package attest

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// The limits of AWS's specification (nsm-api, docs/attestation_process.md section 3.2.2.2.1).
const (
	maxCertificate = 1024
	maxCABundle    = 8
	maxOptional    = 1024
	maxPCRs        = maxPCR + 1
)

// payload is the content of a document, checked field by field, of which nothing is
// authenticated yet. It shares no memory with the document.
type payload struct {
	moduleID    string
	digest      string
	timestamp   time.Time
	pcrs        map[int][]byte
	certificate []byte
	cabundle    [][]byte
	publicKey   []byte // nil where absent or null; likewise these two:
	userData    []byte
	nonce       []byte
	unknown     []string // names of other members, sorted
}

func readMembers(members map[any]any) (*payload, *Error) {
	var p payload
	var err *Error
	if p.moduleID, err = textMember(members, "module_id"); err != nil {
		return nil, err
	}
	if p.moduleID == "" {
		return nil, fieldError("module_id", "is empty")
	}
	if p.digest, err = textMember(members, "digest"); err != nil {
		return nil, err
	}
	if p.digest != "SHA384" {
		return nil, fieldError("digest", "is not SHA384")
	}
	if p.timestamp, err = timestampMember(members); err != nil {
		return nil, err
	}
	if p.pcrs, err = pcrsMember(members); err != nil {
		return nil, err
	}
	if p.certificate, err = certificateOf(members["certificate"], "certificate"); err != nil {
		return nil, err
	}
	if p.cabundle, err = cabundleMember(members); err != nil {
		return nil, err
	}
	for _, optional := range []struct {
		name string
		into *[]byte
	}{{"public_key", &p.publicKey}, {"user_data", &p.userData}, {"nonce", &p.nonce}} {
		if *optional.into, err = optionalMember(members, optional.name); err != nil {
			return nil, err
		}
	}
	if p.unknown, err = unknownMembers(members); err != nil {
		return nil, err
	}
	return &p, nil
}

func fieldError(name, how string) *Error {
	return cborError("document."+name, fmt.Sprintf("the document's %s %s", name, how))
}

func missingError(name string) *Error {
	return cborError("document.missing_field", fmt.Sprintf("the document has no %s", name))
}

func textMember(members map[any]any, name string) (string, *Error) {
	switch value := members[name].(type) {
	case string:
		return value, nil
	case nil:
		return "", missingError(name)
	}
	return "", fieldError(name, "is not text")
}

func timestampMember(members map[any]any) (time.Time, *Error) {
	switch value := members["timestamp"].(type) {
	case uint64:
		if value == 0 || value > math.MaxInt64 {
			return time.Time{}, fieldError("timestamp", "is out of range")
		}
		return time.UnixMilli(int64(value)).UTC(), nil
	case nil:
		return time.Time{}, missingError("timestamp")
	}
	return time.Time{}, fieldError("timestamp", "is not a positive integer")
}

func pcrsMember(members map[any]any) (map[int][]byte, *Error) {
	value := members["pcrs"]
	if value == nil {
		return nil, missingError("pcrs")
	}
	entries, ok := value.(map[any]any)
	if !ok || len(entries) == 0 || len(entries) > maxPCRs {
		return nil, fieldError("pcrs", "is not a map of 1 to 32 entries")
	}
	pcrs := make(map[int][]byte, len(entries))
	for key, value := range entries {
		index, ok := key.(uint64)
		if !ok || index > maxPCR {
			return nil, fieldError("pcrs", "has an index other than 0 to 31")
		}
		digest, ok := value.([]byte)
		if !ok || !isPCRSize(len(digest)) {
			return nil, fieldError("pcrs", "has a value that is not 32, 48 or 64 bytes")
		}
		pcrs[int(index)] = digest
	}
	return pcrs, nil
}

func certificateOf(value any, name string) ([]byte, *Error) {
	if value == nil {
		return nil, missingError(name)
	}
	der, ok := value.([]byte)
	if !ok || len(der) == 0 || len(der) > maxCertificate {
		return nil, fieldError(name, "is not a certificate of 1 to 1024 bytes")
	}
	return der, nil
}

func cabundleMember(members map[any]any) ([][]byte, *Error) {
	value := members["cabundle"]
	if value == nil {
		return nil, missingError("cabundle")
	}
	entries, ok := value.([]any)
	if !ok || len(entries) == 0 || len(entries) > maxCABundle {
		return nil, fieldError("cabundle", "is not an array of 1 to 8 certificates")
	}
	bundle := make([][]byte, len(entries))
	for i, entry := range entries {
		der, ok := entry.([]byte)
		if !ok || len(der) == 0 || len(der) > maxCertificate {
			return nil, fieldError("cabundle", "has an entry that is not a certificate of 1 to 1024 bytes")
		}
		bundle[i] = der
	}
	return bundle, nil
}

func optionalMember(members map[any]any, name string) ([]byte, *Error) {
	switch value := members[name].(type) {
	case nil:
		return nil, nil
	case []byte:
		if len(value) <= maxOptional {
			return value, nil
		}
		return nil, fieldError(name, "is longer than 1024 bytes")
	}
	return nil, fieldError(name, "is not a byte string")
}

func unknownMembers(members map[any]any) ([]string, *Error) {
	var unknown []string
	for key := range members {
		switch key {
		case "module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "public_key", "user_data", "nonce":
			continue
		}
		name, ok := key.(string)
		if !ok {
			return nil, cborError("document.structure", "the payload has a key that is not text")
		}
		unknown = append(unknown, name)
	}
	slices.Sort(unknown)
	return unknown, nil
}
