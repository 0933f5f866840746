package attest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"
)

// FuzzParse tries documents, up to where signatures are checked. What is taken apart here, go-cose
// and a plain CBOR decoder have to take apart in the same way.
func FuzzParse(f *testing.F) {
	for _, forgery := range allForgeries() {
		if document := forgery.document(f); len(document) <= maxDocument {
			f.Add(document)
		}
	}
	shared, _ := filepath.Glob(filepath.Join(sharedVectors, "nitro*", "*.bin")) // none where there are none
	for _, name := range shared {
		if document, err := os.ReadFile(name); err == nil && len(document) <= maxDocument {
			f.Add(document)
		}
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		before := slices.Clone(document)
		e, p, fault := parseDocument(document, &Options{})
		if !bytes.Equal(document, before) {
			t.Error("the input was changed")
		}
		if fault != nil {
			checkSentences(t, fault)
			return
		}
		compareParsed(t, document, e, p)
		var v Verifier
		parsed, fault := v.parse(document, &Options{}, signedAt)
		if fault != nil {
			checkSentences(t, fault)
			return
		}
		roots := p.cabundle[:1] // so that the chain is looked at whatever it starts with
		c, fault := v.build(parsed, roots)
		if fault != nil {
			checkSentences(t, fault)
			return
		}
		if fault := c.checkValidity(signedAt, true); fault != nil {
			checkSentences(t, fault)
		}
	})
}

func compareParsed(t *testing.T, document []byte, e *envelope, p *payload) {
	t.Helper()
	untagged := document
	if untagged[0] == 0xd2 {
		untagged = untagged[1:]
	}
	var message cose.UntaggedSign1Message
	if err := message.UnmarshalCBOR(untagged); err != nil {
		t.Fatalf("go-cose refuses what is taken here: %v", err)
	}
	if !bytes.Equal(message.Payload, e.payload) || !bytes.Equal(message.Signature, e.signature) {
		t.Error("go-cose finds another payload or signature")
	}
	var content struct {
		ModuleID    string         `cbor:"module_id"`
		Digest      string         `cbor:"digest"`
		Timestamp   uint64         `cbor:"timestamp"`
		PCRs        map[int][]byte `cbor:"pcrs"`
		Certificate []byte         `cbor:"certificate"`
		CABundle    [][]byte       `cbor:"cabundle"`
		PublicKey   []byte         `cbor:"public_key"`
		UserData    []byte         `cbor:"user_data"`
		Nonce       []byte         `cbor:"nonce"`
	}
	mode, err := cbor.DecOptions{FieldNameMatching: cbor.FieldNameMatchingCaseSensitive}.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	if err := mode.Unmarshal(e.payload, &content); err != nil {
		t.Fatalf("a plain decoder refuses what is taken here: %v", err)
	}
	same := content.ModuleID == p.moduleID && content.Digest == p.digest && int64(content.Timestamp) == p.timestamp.UnixMilli() &&
		len(content.PCRs) == len(p.pcrs) && bytes.Equal(content.Certificate, p.certificate) &&
		slices.EqualFunc(content.CABundle, p.cabundle, bytes.Equal) &&
		bytes.Equal(content.PublicKey, p.publicKey) && bytes.Equal(content.UserData, p.userData) && bytes.Equal(content.Nonce, p.nonce)
	for index, value := range p.pcrs {
		same = same && bytes.Equal(content.PCRs[index], value)
	}
	if !same {
		t.Errorf("a plain decoder finds other content: %+v", content)
	}
}

// FuzzUserData tries user_data. What is made out of it encoding/json has to make out as well.
func FuzzUserData(f *testing.F) {
	for _, forgery := range slices.Concat(policyForgeries(), controls()) {
		if e, err := parseEnvelope(forgery.document(f)); err == nil {
			if p, err := parsePayload(e.payload); err == nil {
				f.Add(p.userData)
			}
		}
	}
	f.Add([]byte(`{"":2E333}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, fault := parseUserData(data)
		if fault != nil {
			if got.functionChecksum != nil || got.keyChecksum != nil {
				t.Error("refused, and something is made out")
			}
			checkSentences(t, fault)
			return
		}
		if len(data) == 0 {
			return
		}
		if !namesAreUnique(t, data) {
			t.Error("a name twice is taken")
		}
		var members map[string]any
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber() // a number of any size is JSON
		if err := decoder.Decode(&members); err != nil {
			t.Fatalf("encoding/json refuses what is taken here: %v", err)
		}
		for _, name := range []string{"func_checksum", "func_hash"} {
			compareChecksum(t, members[name], got.functionChecksum)
		}
		for _, name := range []string{"key_checksum", "key_policy_hash"} {
			compareChecksum(t, members[name], got.keyChecksum)
		}
	})
}

func compareChecksum(t *testing.T, value any, got []byte) {
	t.Helper()
	if value == nil {
		return // absent under this name, or null
	}
	text, ok := value.(string)
	if !ok || text != base64.StdEncoding.EncodeToString(got) || got == nil {
		t.Errorf("%v, made out as %x", value, got)
	}
}

// FuzzPolicy tries policies. One that is taken pins something, or says any.
func FuzzPolicy(f *testing.F) {
	for _, forgery := range allForgeries() {
		f.Add([]byte(forgery.policyJSON()))
	}
	for _, text := range []string{`{"any":true,"ANY":false}`, `{"pcrs":{"0":null}}`, `{"releases":[{"name":"a","pcrs":{"0":""},"not_after":"2027-01-31T00:00:00Z"}]}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePolicy(data)
		if err != nil {
			if class := reasonOf(t, err); p != nil || class != "argument.policy" && class != "argument.policy_empty" {
				t.Errorf("%+v, %v", p, err)
			}
			return
		}
		if err := p.Check(); err != nil {
			t.Errorf("taken, and then refused: %v", err)
		}
		pins := len(p.PCRs) > 0 || p.FunctionChecksum != nil || p.KeyChecksum != nil || len(p.Releases) > 0
		if p.Any == pins {
			t.Errorf("any %v, pins %v", p.Any, pins)
		}
		if !namesAreUnique(t, data) {
			t.Error("a name twice is taken")
		}
		if doc, _, err := Verify(nil, Options{Policy: p}); doc != nil || err == nil {
			t.Error("no document is accepted")
		}
	})
}

// namesAreUnique looks for equal names in JSON that is known to be valid, as encoding/json reads
// it token by token.
func namesAreUnique(t *testing.T, data []byte) bool {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value func() bool
	value = func() bool {
		token, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		unique := true
		switch token {
		case json.Delim('{'):
			names := make(map[string]bool)
			for decoder.More() {
				name, err := decoder.Token()
				if err != nil {
					t.Fatal(err)
				}
				text, _ := name.(string)
				unique = unique && !names[text]
				names[text] = true
				unique = value() && unique
			}
			_, err = decoder.Token()
		case json.Delim('['):
			for decoder.More() {
				unique = value() && unique
			}
			_, err = decoder.Token()
		}
		if err != nil {
			t.Fatal(err)
		}
		return unique
	}
	return value()
}
