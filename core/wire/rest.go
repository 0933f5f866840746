package wire

import (
	"encoding/json"
	"time"
)

// FunctionRecord is a function in the answers of the REST routes /v1/functions and
// /v1/functions/{id}; a list has the first two and CreatedAt.
type FunctionRecord struct {
	ID                  string    `json:"id"`
	Name                string    `json:"name"`
	UserID              string    `json:"user_id,omitempty"`
	Location            string    `json:"location,omitempty"`
	AttestationDocument []byte    `json:"attestation_document,omitempty"`
	CreatedAt           time.Time `json:"created_at"`
}

// TokenRequest is the body of POST /v1/token.
type TokenRequest struct {
	Name        string     `json:"name"`
	Description string     `json:"description"`
	FunctionID  string     `json:"function_id"` // "": any function of its owner's
	Expiry      *time.Time `json:"expiry,omitempty"`
}

// TokenRecord is a token in the answer of GET /v1/tokens. The token itself is not in it.
type TokenRecord struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Description string     `json:"description"`
	CreatedAt   time.Time  `json:"created_at"`
	Expiry      *time.Time `json:"expiry,omitempty"`
	LastUsed    *time.Time `json:"last_used,omitempty"`
}

// EncodeToken is the answer to POST /v1/token.
func EncodeToken(token string) []byte { return mustMarshal(map[string]any{"token": token}) }

// DecodeToken returns the token of that answer.
func DecodeToken(body []byte) (string, error) {
	s := scanner{data: body}
	members, ok := s.object(1)
	if !ok || !s.atEnd() {
		return "", &Error{"protocol.json", "the answer is not a JSON object with distinct names: is the peer a Cape service?"}
	}
	raw, ok := object(members).get("token")
	if !ok {
		return "", &Error{"protocol.message", "the answer has no token"}
	}
	return decodeString(raw, "the token")
}

// EncodeRESTError is the body of a REST failure: clients look for one name or the other.
func EncodeRESTError(text string) []byte {
	return mustMarshal(map[string]any{"error": text, "message": text})
}

// DecodeRESTError returns what the body of a REST failure says, in one line; nothing where it is
// of another form.
func DecodeRESTError(body []byte) string {
	s := scanner{data: body}
	members, ok := s.object(1)
	if !ok {
		return ""
	}
	for _, name := range []string{"error", "message"} {
		if raw, ok := object(members).get(name); ok {
			if text, err := decodeString(raw, name); err == nil && text != "" {
				return oneLine(text)
			}
		}
	}
	return ""
}

// DecodeList reads a JSON array of records, such as FunctionRecord and TokenRecord. null is an
// empty one.
func DecodeList[Record any](body []byte) ([]Record, error) {
	list := []Record{}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, &Error{"protocol.json", "the answer is not the list that was asked for: is the peer a Cape service?"}
	}
	return list, nil
}
