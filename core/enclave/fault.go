package enclave

import "slices"

// Fault is a way in which an enclave misbehaves on purpose, so that clients can be tested
// against it.
type Fault string

// The faults. Those that concern the handshake or the attestation take effect for connections
// that are made afterwards, the others from the next request on.
const (
	SilentHandshake Fault = "silent_handshake" // takes the connection and never answers
	RejectToken     Fault = "reject_token"     // answers the handshake with HTTP status 401
	RejectUpgrade   Fault = "reject_upgrade"   // answers the handshake with HTTP status 503

	SilentStart    Fault = "silent_start"     // never answers the nonce
	StartNotJSON   Fault = "start_not_json"   // answers the nonce with text that is not JSON
	StartNoMessage Fault = "start_no_message" // ... with JSON that lacks "message"
	StartNotBase64 Fault = "start_not_base64" // ... with a document that is not base64
	StartError     Fault = "start_error"      // ... with {"error": ...}
	StartBinary    Fault = "start_binary"     // ... with the right bytes as a binary message
	StartDropped   Fault = "start_dropped"    // drops the connection in place of the answer

	DocumentTruncated Fault = "document_truncated" // the document lacks its second half
	DocumentTampered  Fault = "document_tampered"  // PCR0 was changed after signing
	ExpiredLeaf       Fault = "expired_leaf"       // the signing certificate ended an hour ago
	ForeignRoot       Fault = "foreign_root"       // signed under another root, which is in the cabundle
	ForeignChain      Fault = "foreign_chain"      // the cabundle begins with the right root, another one signed
	ReplayedNonce     Fault = "replayed_nonce"     // carries a nonce other than the one asked for
	MissingNonce      Fault = "missing_nonce"      // the nonce is null
	ZeroPCRs          Fault = "zero_pcrs"          // PCR0 to PCR2 are zero, as in debug mode
	WrongPCR          Fault = "wrong_pcr"          // PCR0 is that of other code
	MissingKey        Fault = "missing_key"        // the public key is null
	ShortKey          Fault = "short_key"          // the public key has 16 bytes
	ClockOff          Fault = "clock_off"          // the security module's clock is three days ahead
	WrongChecksum     Fault = "wrong_checksum"     // the function checksum is of something else
	MissingChecksum   Fault = "missing_checksum"   // user_data has no function checksum
	MissingUserData   Fault = "missing_user_data"  // user_data is null

	IdleDropped    Fault = "idle_dropped"     // drops the connection after the document and after each reply
	InvokeDropped  Fault = "invoke_dropped"   // drops the connection when a request arrives
	ReplyNotJSON   Fault = "reply_not_json"   // answers a request with text that is not JSON
	ReplyNoMessage Fault = "reply_no_message" // ... with JSON that lacks the inner "message"
	ReplyNotBase64 Fault = "reply_not_base64" // ... with a result that is not base64
	ReplyBinary    Fault = "reply_binary"     // ... with the right bytes as a binary message
	ReplyError     Fault = "reply_error"      // ... with {"error": ...} in place of its result
	TruncatedFrame Fault = "truncated_frame"  // ... with half a websocket frame, then drops the connection
	SlowReply      Fault = "slow_reply"       // ... two seconds late
	NoReply        Fault = "no_reply"         // never, though pings are answered
	HugeReply      Fault = "huge_reply"       // ... with a message of one gibibyte
)

// Faults lists all faults.
func Faults() []Fault {
	return []Fault{
		SilentHandshake, RejectToken, RejectUpgrade,
		SilentStart, StartNotJSON, StartNoMessage, StartNotBase64, StartError, StartBinary, StartDropped,
		DocumentTruncated, DocumentTampered, ExpiredLeaf, ForeignRoot, ForeignChain, ReplayedNonce,
		MissingNonce, ZeroPCRs, WrongPCR, MissingKey, ShortKey, ClockOff, WrongChecksum, MissingChecksum, MissingUserData,
		IdleDropped, InvokeDropped, ReplyNotJSON, ReplyNoMessage, ReplyNotBase64, ReplyBinary, ReplyError,
		TruncatedFrame, SlowReply, NoReply, HugeReply,
	}
}

// ParseFault returns the fault of that name, or an [*Error].
func ParseFault(name string) (Fault, error) {
	if slices.Contains(Faults(), Fault(name)) {
		return Fault(name), nil
	}
	return "", fail("argument.fault", nil, "no fault is named %q: cape.h and 'cape enclave --help' list them", name)
}

// SetFaults makes the enclave misbehave in these ways from now on, and in no other; without
// arguments it behaves well again. It may be called at any time from any goroutine. After an
// error nothing has changed.
func (e *Enclave) SetFaults(faults ...Fault) error {
	for _, fault := range faults {
		if _, err := ParseFault(string(fault)); err != nil {
			return err
		}
	}
	set := slices.Clone(faults)
	e.faults.Store(&set)
	return nil
}

func (e *Enclave) faulty(fault Fault) bool {
	set := e.faults.Load()
	return set != nil && slices.Contains(*set, fault)
}
