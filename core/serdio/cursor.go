package serdio

import "io"

// cursor reads a part of data, up to end. It is the reader under MessagePack's decoder, which
// takes codes, numbers and headers from it one by one and buffers nothing; text, bytes and
// payloads are cut out of data without a copy.
//
// owed is the number of values that the open arrays and maps of this part have still to deliver.
// Each takes a byte at least, so that a length is believed only where it leaves room for them.
type cursor struct {
	data []byte
	at   int
	end  int
	owed int64
}

func (c *cursor) room() int64 { return int64(c.end-c.at) - c.owed }

// promise takes note of n values to come, or reports that there is no room for them.
func (c *cursor) promise(n int64) bool {
	if n < 0 || n > c.room() {
		return false
	}
	c.owed += n
	return true
}

func (c *cursor) take(n int64) ([]byte, error) {
	if n < 0 || n > c.room() {
		return nil, errTruncated()
	}
	part := c.data[c.at : c.at+int(n) : c.at+int(n)]
	c.at += int(n)
	return part, nil
}

// enter narrows the cursor to the next n bytes, and returns what leave needs to widen it again.
func (c *cursor) enter(n int64) (outer cursor, err error) {
	if n < 0 || n > c.room() {
		return cursor{}, errTruncated()
	}
	outer = *c
	c.end = c.at + int(n)
	c.owed = 0
	return outer, nil
}

func (c *cursor) leave(outer cursor) error {
	if c.at != c.end {
		return malformed("trailing", "an extension in the serdio data goes on after its value: it was not made by serdio")
	}
	c.end, c.owed = outer.end, outer.owed
	return nil
}

func (c *cursor) peek() (byte, error) {
	if c.at == c.end {
		return 0, errTruncated()
	}
	return c.data[c.at], nil
}

// Read implements io.Reader.
func (c *cursor) Read(p []byte) (int, error) {
	n := copy(p, c.data[c.at:c.end])
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	c.at += n
	return n, nil
}

// ReadByte implements io.ByteScanner.
func (c *cursor) ReadByte() (byte, error) {
	if c.at == c.end {
		return 0, io.EOF
	}
	c.at++
	return c.data[c.at-1], nil
}

// UnreadByte implements io.ByteScanner.
func (c *cursor) UnreadByte() error {
	c.at--
	return nil
}

func errTruncated() error {
	return malformed("truncated", "the serdio data ends too early: it was cut off, or it is not serdio")
}
