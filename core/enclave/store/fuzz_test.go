package store

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzJournal wants a journal of any content to be refused, or else to be opened for good: what
// is added afterwards is there when it is opened again.
func FuzzJournal(f *testing.F) {
	f.Add([]byte{})
	one := encodeRecord([]byte(`{"token":{"id":"t","owner":"ada","created":"2022-11-01T00:00:00Z"}}`))
	two := encodeRecord([]byte(`{"function":{"id":"f","owner":"ada","checksum":"","created":"2022-11-01T00:00:00Z","name":"ada/f"}}`))
	f.Add(append(one, two...))
	f.Add(append(two, one[:len(one)-3]...))
	f.Add(encodeRecord([]byte(`{"delete_function":"f","delete_token":"t","key":{"name":"k","key":"AA=="}}`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := t.TempDir()
		if err := os.WriteFile(filepath.Join(path, journalName), data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path)
		if err != nil {
			return
		}
		functions, tokens := len(s.state.functions), len(s.state.tokens)
		if err := s.AddToken(Token{ID: "a new one", Owner: "bob"}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(path); err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Token("a new one"); err != nil || len(s.state.functions) != functions || len(s.state.tokens) != tokens+1 && len(s.state.tokens) != tokens {
			t.Errorf("%d functions and %d tokens were there, now %d and %d (%v)", functions, tokens, len(s.state.functions), len(s.state.tokens), err)
		}
	})
}
