package wire

// SignedBytes is what the signature of a reply is made over: the checksums as JSON, in the order
// input, function, output, without spaces, and one newline. It is hashed with SHA-256 and signed
// with RSA-PSS (RFC 8017 section 8.1, MGF1 with SHA-256, any length of salt).
func (c Checksums) SignedBytes() []byte { return append(mustMarshal(c), '\n') }
