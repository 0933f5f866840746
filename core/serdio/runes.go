package serdio

import "unicode/utf8"

// runes is a set of code points. It allocates for those only that take three bytes or more.
type runes struct {
	short [0x800 / 64]uint64
	long  map[rune]struct{}
}

// addAll adds those of a text, and returns how many were new.
func (s *runes) addAll(text []byte) int {
	n := 0
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		if r < 0x800 {
			if bit := uint64(1) << (r % 64); s.short[r/64]&bit == 0 {
				s.short[r/64] |= bit
				n++
			}
			continue
		}
		if s.long == nil {
			s.long = make(map[rune]struct{})
		}
		if _, ok := s.long[r]; !ok {
			s.long[r] = struct{}{}
			n++
		}
	}
	return n
}

// remove says whether r was there.
func (s *runes) remove(r rune) bool {
	if r < 0x800 {
		bit := uint64(1) << (r % 64)
		there := s.short[r/64]&bit != 0
		s.short[r/64] &^= bit
		return there
	}
	_, there := s.long[r]
	delete(s.long, r)
	return there
}
