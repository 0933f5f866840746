package wire

// DecodeKey returns the Cape key that user_data of an attestation document states: DER,
// SubjectPublicKeyInfo. Whether it is such a key is not looked at.
func DecodeKey(userData []byte) ([]byte, error) {
	s := scanner{data: userData}
	members, ok := s.object(1)
	if !ok || !s.atEnd() {
		return nil, &Error{"protocol.json", "user_data of the attestation document is not a JSON object with distinct names"}
	}
	raw, ok := object(members).get("key")
	if !ok {
		return nil, &Error{"protocol.message", "the attestation document states no Cape key"}
	}
	return decodeBase64(raw, "the Cape key")
}

// EncodeUserKey is the answer of the REST route of a user's key: an attestation document.
func EncodeUserKey(document []byte) []byte {
	return mustMarshal(map[string]any{"attestation_document": document})
}

// DecodeUserKey returns the attestation document of that answer.
func DecodeUserKey(body []byte) ([]byte, error) {
	s := scanner{data: body}
	members, ok := s.object(1)
	if !ok || !s.atEnd() {
		return nil, &Error{"protocol.json", "the answer is not a JSON object with distinct names: is the peer a Cape service?"}
	}
	for _, name := range []string{"error", "message"} {
		raw, ok := object(members).get(name)
		if !ok {
			continue
		}
		text, err := decodeString(raw, "the "+name)
		if err != nil {
			return nil, err
		}
		return nil, &ServerError{Text: oneLine(text)}
	}
	raw, ok := object(members).get("attestation_document")
	if !ok {
		return nil, &Error{"protocol.message", "the answer has no attestation_document"}
	}
	return decodeBase64(raw, "the attestation document")
}
