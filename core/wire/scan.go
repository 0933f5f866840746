package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"unicode/utf8"
)

// maxDepth bounds nesting in a peer's JSON. Protocol messages nest three deep.
const maxDepth = 16

// scanner walks JSON (RFC 8259) in place: a reply is nearly all one long base64 string, which
// encoding/json would copy several times and inspect byte by byte. It is stricter than
// encoding/json: duplicate names are refused at every level.
type scanner struct {
	data []byte
	at   int
}

// value is any value, as a slice of the scanned text. For an object, members are its own.
type value struct {
	raw     []byte
	members []member
}

// member is one name and value of an object.
type member struct {
	name  string
	value value
}

func (s *scanner) skipSpace() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// take consumes one punctuation mark, after white space.
func (s *scanner) take(mark byte) bool {
	s.skipSpace()
	if s.at >= len(s.data) || s.data[s.at] != mark {
		return false
	}
	s.at++
	return true
}

// atEnd says that nothing but white space is left.
func (s *scanner) atEnd() bool {
	s.skipSpace()
	return s.at == len(s.data)
}

// object consumes an object and returns its members in order.
func (s *scanner) object(depth int) ([]member, bool) {
	if depth > maxDepth || !s.take('{') {
		return nil, false
	}
	if s.take('}') {
		return nil, true
	}
	var members []member
	for {
		s.skipSpace()
		raw, ok := s.text()
		if !ok {
			return nil, false
		}
		name := string(unquote(raw))
		if !s.take(':') {
			return nil, false
		}
		for _, earlier := range members {
			if earlier.name == name {
				return nil, false
			}
		}
		value, ok := s.value(depth)
		if !ok || len(members) == maxMembers {
			return nil, false
		}
		members = append(members, member{name, value})
		if s.take('}') {
			return members, true
		}
		if !s.take(',') {
			return nil, false
		}
	}
}

// maxMembers bounds the members of an object, since each name is compared with all before it.
const maxMembers = 64

func (s *scanner) array(depth int) bool {
	if depth > maxDepth || !s.take('[') {
		return false
	}
	if s.take(']') {
		return true
	}
	for {
		if _, ok := s.value(depth); !ok {
			return false
		}
		if s.take(']') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

// value consumes any value.
func (s *scanner) value(depth int) (value, bool) {
	s.skipSpace()
	start := s.at
	if start >= len(s.data) {
		return value{}, false
	}
	var members []member
	ok := false
	switch s.data[start] {
	case '"':
		_, ok = s.text()
	case '{':
		members, ok = s.object(depth + 1)
	case '[':
		ok = s.array(depth + 1)
	default:
		// A number or a literal, up to the next mark; encoding/json knows which are right.
		end := bytes.IndexAny(s.data[start:], ",]} \t\r\n")
		if end < 0 {
			end = len(s.data) - start
		}
		s.at = start + end
		ok = end <= maxScalar && json.Valid(s.data[start:s.at])
	}
	return value{s.data[start:s.at], members}, ok
}

// maxScalar bounds a number or a literal, in bytes.
const maxScalar = 64

// text consumes a string, checks it, and returns it with its quotes, not unescaped.
func (s *scanner) text() ([]byte, bool) {
	if s.at >= len(s.data) || s.data[s.at] != '"' {
		return nil, false
	}
	start := s.at
	for i := start + 1; ; {
		end := bytes.IndexByte(s.data[i:], '"')
		if end < 0 {
			return nil, false
		}
		end += i
		if backslashes(s.data[start+1:end])%2 == 1 {
			i = end + 1 // the quote is escaped
			continue
		}
		s.at = end + 1
		raw := s.data[start:s.at]
		return raw, isText(raw)
	}
}

// backslashes counts those at the end of text.
func backslashes(text []byte) int {
	return len(text) - len(bytes.TrimRight(text, `\`))
}

// isText checks a string with its quotes.
func isText(raw []byte) bool {
	if isPlain(raw) {
		return true
	}
	for _, c := range raw {
		if c < ' ' {
			return false
		}
	}
	return utf8.Valid(raw) && (bytes.IndexByte(raw, '\\') < 0 || json.Valid(raw))
}

// isPlain says that text is ASCII without control characters and backslashes, of which there is
// nothing to check. It looks at eight bytes at a time.
func isPlain(text []byte) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	var found uint64
	for ; len(text) >= 8; text = text[8:] {
		word := binary.LittleEndian.Uint64(text)
		backslash := word ^ '\\'*ones
		// The high bit of a byte: it is not ASCII; or the subtraction borrowed, below a space or at
		// a backslash. Bytes above one that borrowed may show too, and then all are looked at.
		found |= word | (word - ' '*ones) | (backslash - ones)
		if found&highs != 0 {
			return false
		}
	}
	for _, c := range text {
		if c < ' ' || c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
}

// unquote gives the content of a string that text returned. It shares memory with raw unless
// there is an escape in it.
func unquote(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	var text string
	_ = json.Unmarshal(raw, &text) // isText has seen that it is valid
	return []byte(text)
}
