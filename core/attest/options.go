package attest

import "time"

// Options says what to hold a document against. It is only read.
type Options struct {
	// Roots are the trusted roots as DER, see ParseRoots; nil is the embedded AWS Nitro root. A
	// document's cabundle must start with one of them, byte for byte.
	Roots [][]byte
	// Time is when to judge validity; zero is now.
	Time time.Time
	// AtDocumentTime judges an archived document at the time that it was signed, in place of
	// Time. That it was signed in the past is then no reason to refuse it, so never use it to
	// decide whom to talk to.
	AtDocumentTime bool
	// Nonce is what the document has to carry; nil: not checked, and the document may be old.
	Nonce []byte
	// PublicKeyLength, if not 0, is how many bytes public_key must have.
	PublicKeyLength int
	// Policy decides acceptance and is required.
	Policy *Policy
}

func (o *Options) roots() [][]byte {
	if o.Roots == nil {
		return [][]byte{awsRootDER()}
	}
	return o.Roots
}

func (o *Options) check() *Error {
	switch {
	case o.Policy == nil:
		return argumentError(reasonPolicyMissing, "no policy was given", `say which PCRs or checksum to accept, or "any"`)
	case o.Roots != nil && len(o.Roots) == 0:
		return argumentError(reasonRoots, "the list of trusted roots is empty", "name a root, or give none for the AWS Nitro root")
	case o.Nonce != nil && (len(o.Nonce) == 0 || len(o.Nonce) > maxOptional):
		return argumentError(reasonOptions, "the nonce to compare with is not 1 to 1024 bytes", "ask for documents with a random nonce of 16 bytes or more")
	case o.AtDocumentTime && !o.Time.IsZero():
		return argumentError(reasonOptions, "a time was given, and the document's own time asked for as well", "leave out one of the two")
	case o.PublicKeyLength < 0:
		return argumentError(reasonOptions, "the length asked of public_key is negative", "give 0 for any")
	}
	return o.Policy.check()
}
