package store

import (
	"bytes"
	"slices"
	"time"
)

// AddToken is part of [Store].
func (s *Folder) AddToken(t Token) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commit(change{Token: &t})
}

// DeleteToken is part of [Store].
func (s *Folder) DeleteToken(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.state.tokens[id]; !there {
		return ErrNotFound
	}
	delete(s.used, id)
	return s.commit(change{DeleteToken: id})
}

// Token is part of [Store].
func (s *Folder) Token(id string) (Token, error) { return find(s, s.state.tokens, id) }

// Tokens is part of [Store].
func (s *Folder) Tokens(owner string) []Token {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []Token
	for _, t := range s.state.tokens {
		if t.Owner == owner {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b Token) int { return newest(a.Created, b.Created, a.ID, b.ID) })
	return list
}

// TokensNamed lists the tokens of all owners that have this name, in no order.
func (s *Folder) TokensNamed(name string) []Token {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []Token
	for _, t := range s.state.tokens {
		if t.Name == name {
			list = append(list, t)
		}
	}
	return list
}

// usedAgain is how much later a token has to be used for that to be written to the disk.
const usedAgain = time.Hour

// UseToken is part of [Store]. It is written to the disk at the first use, and then once an hour.
func (s *Folder) UseToken(id string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, there := s.state.tokens[id]
	if !there {
		return
	}
	written, known := s.used[id]
	if !known && t.Used != nil {
		written = *t.Used
	}
	t.Used = &at
	s.state.tokens[id] = t
	if at.Sub(written) > usedAgain {
		s.used[id] = at
		_ = s.commit(change{Token: &t})
	}
}

// Key is part of [Store].
func (s *Folder) Key(name string) ([]byte, error) {
	key, err := find(s, s.state.keys, name)
	return bytes.Clone(key), err
}

// PutKey is part of [Store].
func (s *Folder) PutKey(name string, key []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept, there := s.state.keys[name]; there {
		return bytes.Clone(kept), nil
	}
	if err := s.commit(change{Key: &namedKey{name, bytes.Clone(key)}}); err != nil {
		return nil, err
	}
	return bytes.Clone(key), nil
}
