// Package wire is the messages of Cape protocol v1: what a client and an enclave say to each
// other, as bytes. It does no I/O and no cryptography.
//
// A session is: the client offers a scheme and perhaps a token as websocket subprotocols
// ([Subprotocols]); it sends a nonce ([EncodeStart]); the enclave answers with an attestation
// document ([DecodeAttestation]); then each binary message is a sealed request and each text
// message its reply, in the same order ([DecodeResult]). In place of any answer the enclave may
// say why not: the decoders return that as a [*ServerError].
package wire

import (
	"fmt"
)

// Error says how a message breaks the protocol. Reason is a stable word: "protocol.json",
// "protocol.message" or "protocol.base64". It never holds the message's content.
type Error struct {
	Reason string
	Text   string
}

func (e *Error) Error() string { return e.Text }

// ErrorReason is Reason, for those who know errors of several packages by it.
func (e *Error) ErrorReason() string { return e.Reason }

// ServerError is the peer's own account of a failure, the text of {"error": ...}.
type ServerError struct {
	Text string
}

func (e *ServerError) Error() string { return e.Text }

// EncodeStart is the client's first message. The nonce, of any length, is what the attestation
// document has to carry.
func EncodeStart(nonce []byte) []byte {
	return mustMarshal(map[string]any{"message": map[string]any{"nonce": nonce}})
}

// EncodeUnsignedStart is the first message of a client that does without signatures of results,
// each of which costs the enclave about a millisecond. Clients that know nothing of it want them.
func EncodeUnsignedStart(nonce []byte) []byte {
	return mustMarshal(map[string]any{"message": map[string]any{"nonce": nonce, "unsigned_results": true}})
}

// DecodeStart returns the nonce of a client's first message. Other members are ignored.
func DecodeStart(frame []byte) ([]byte, error) {
	message, err := decodeEnvelope(frame)
	if err != nil {
		return nil, err
	}
	nonce, ok := message.get("nonce")
	if !ok {
		return nil, &Error{"protocol.message", "the first message has no nonce: send {\"message\":{\"nonce\":\"<base64>\"}}"}
	}
	return decodeBase64(nonce, "the nonce")
}

// IsUnsignedStart says whether a client's first message does without signatures of results.
func IsUnsignedStart(frame []byte) bool {
	message, err := decodeEnvelope(frame)
	if err != nil {
		return false
	}
	unsigned, there := message.get("unsigned_results")
	return there && string(unsigned.raw) == "true"
}

// EncodeAttestation is the enclave's answer to the first message.
func EncodeAttestation(document []byte) []byte {
	return mustMarshal(map[string]any{"message": map[string]any{"type": "attestation_doc", "message": document}})
}

// DecodeAttestation returns the attestation document, unverified, of the enclave's answer.
func DecodeAttestation(frame []byte) ([]byte, error) {
	message, err := decodeEnvelope(frame)
	if err != nil {
		return nil, err
	}
	return messageBytes(message, "attestation_doc", "the attestation document")
}

// Checksums are SHA-256 digests, 32 bytes each, of what the enclave says it ran.
type Checksums struct {
	Input    []byte `json:"input"`
	Function []byte `json:"function"`
	Output   []byte `json:"output"`
}

// Result is a reply to a sealed request. Checksums and SignedChecksums are nil where the
// enclave sent none.
type Result struct {
	Output          []byte
	Checksums       *Checksums
	SignedChecksums []byte
}

// EncodeResult is the enclave's reply to a request.
func EncodeResult(r Result) []byte {
	return appendResult(make([]byte, 0, resultSize(r)), r)
}

// DecodeResult returns a reply. The output is what TLS alone protected: nothing in protocol v1
// proves that the enclave made it.
func DecodeResult(frame []byte) (Result, error) {
	message, err := decodeEnvelope(frame)
	if err != nil {
		return Result{}, err
	}
	var result Result
	if result.Output, err = messageBytes(message, "function_result", "the result"); err != nil {
		return Result{}, err
	}
	if raw, ok := message.get("checksums"); ok {
		if result.Checksums, err = decodeChecksums(raw); err != nil {
			clear(result.Output)
			return Result{}, err
		}
	}
	if raw, ok := message.get("signed_checksums"); ok {
		if result.SignedChecksums, err = decodeBase64(raw, "the checksums' signature"); err != nil {
			clear(result.Output)
			return Result{}, err
		}
	}
	return result, nil
}

// EncodeError is the enclave's refusal of any message.
func EncodeError(text string) []byte {
	return mustMarshal(map[string]any{"error": text})
}

// messageBytes takes member "message" of a reply. The type is checked where the peer gives one:
// an answer of another type is not the one that was asked for.
func messageBytes(message object, wantType, what string) ([]byte, error) {
	if raw, ok := message.get("type"); ok {
		kind, err := decodeString(raw, "the reply's type")
		if err != nil {
			return nil, err
		}
		if kind != wantType {
			return nil, &Error{"protocol.message", fmt.Sprintf("the reply is of another type than %s", wantType)}
		}
	}
	raw, ok := message.get("message")
	if !ok {
		return nil, &Error{"protocol.message", "the reply lacks " + what + ": its member \"message\" has no \"message\""}
	}
	return decodeBase64(raw, what)
}

func decodeChecksums(raw value) (*Checksums, error) {
	members, err := decodeObject(raw, "the checksums")
	if err != nil {
		return nil, err
	}
	var sums Checksums
	for _, member := range []struct {
		name string
		into *[]byte
	}{{"input", &sums.Input}, {"function", &sums.Function}, {"output", &sums.Output}} {
		value, ok := members.get(member.name)
		if !ok {
			return nil, &Error{"protocol.message", "the checksums lack \"" + member.name + "\""}
		}
		if *member.into, err = decodeBase64(value, "the checksum of the "+member.name); err != nil {
			return nil, err
		}
	}
	return &sums, nil
}
