package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func reopen(t *testing.T, path string) *Folder {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func add(t *testing.T, s Store, id, name, code string) {
	t.Helper()
	if err := s.AddFunction(Function{ID: id, Name: name, Owner: "ada", Created: time.Unix(int64(len(s.Functions("ada"))), 0)}, strings.NewReader(code)); err != nil {
		t.Fatal(err)
	}
}

func readCode(s Store, id string) ([]byte, error) {
	code, size, err := s.Code(id)
	if err != nil {
		return nil, err
	}
	defer code.Close()
	data, err := io.ReadAll(code)
	if err == nil && int64(len(data)) != size {
		err = fmt.Errorf("%d bytes, said to be %d", len(data), size)
	}
	return data, err
}

// wantNamed wants a name to stand for this id; "" for none.
func wantNamed(t *testing.T, s Store, name, id string) {
	t.Helper()
	f, err := s.Named(name)
	if f.ID != id || (err == nil) != (id != "") {
		t.Errorf("%s is %q (%v), want %q", name, f.ID, err, id)
	}
}

func TestWhatWasKeptIsThereAfterReopening(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "data")
	s := reopen(t, path)
	add(t, s, "one", "ada/f", "code one")
	add(t, s, "two", "ada/f", "code two") // the name moves
	add(t, s, "three", "ada/g", "code three")
	add(t, s, "four", "", "code four")
	if err := s.DeleteFunction("three"); err != nil {
		t.Fatal(err)
	}
	expiry := time.Unix(5, 0).UTC()
	for _, id := range []string{"t1", "t2"} {
		if err := s.AddToken(Token{ID: id, Owner: "ada", Function: "one", Expiry: &expiry}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteToken("t2"); err != nil {
		t.Fatal(err)
	}
	s.UseToken("t1", time.Unix(9, 0))
	for _, key := range []string{"first", "second"} {
		if kept, err := s.PutKey("k", []byte(key)); err != nil || string(kept) != "first" {
			t.Errorf("%q, %v", kept, err)
		}
	}
	for round := range 3 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = reopen(t, path)
		if round == 1 {
			if err := s.compact(); err != nil {
				t.Fatal(err)
			}
		}
		wantNamed(t, s, "ada/f", "two")
		wantNamed(t, s, "ada/g", "")
		wantNamed(t, s, "", "")
		if code, err := readCode(s, "one"); err != nil || string(code) != "code one" {
			t.Errorf("%q, %v", code, err)
		}
		if _, err := readCode(s, "three"); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		if list := s.Functions("ada"); len(list) != 3 || list[0].ID != "two" && list[0].ID != "four" {
			t.Errorf("%+v", list)
		}
		if list := s.Tokens("ada"); len(list) != 1 || list[0].ID != "t1" || !list[0].Expiry.Equal(expiry) || list[0].Used == nil {
			t.Errorf("%+v", list)
		}
		if len(s.Functions("bob")) != 0 || len(s.Tokens("bob")) != 0 {
			t.Error("another owner has something")
		}
		if key, err := s.Key("k"); err != nil || string(key) != "first" {
			t.Errorf("%q, %v", key, err)
		}
	}
	if err := s.DeleteFunction("two"); err != nil {
		t.Fatal(err)
	}
	wantNamed(t, s, "ada/f", "") // it does not fall back to the older function
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	t.Parallel()
	s := reopen(t, t.TempDir())
	_, e1 := s.Function("x")
	_, e2 := s.Named("x")
	_, e3 := readCode(s, "x")
	_, e4 := s.Token("x")
	_, e5 := s.Key("x")
	for _, err := range []error{e1, e2, e3, e4, e5, s.DeleteFunction("x"), s.DeleteToken("x")} {
		if !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	}
	s.UseToken("x", time.Now())
	for _, id := range []string{"", "../x", "a/b", strings.Repeat("x", 65)} {
		if s.AddFunction(Function{ID: id}, nil) == nil {
			t.Errorf("the id %q is taken", id)
		}
	}
}

func TestASecondEnclaveOnAFolderIsRefused(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	s := reopen(t, path)
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "another enclave has it open") {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	reopen(t, path)
}

func TestSecretsAreTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	add(t, reopen(t, path), "one", "ada/f", "code")
	_ = filepath.WalkDir(path, func(name string, entry os.DirEntry, walked error) error {
		if walked != nil {
			return walked
		}
		info, err := entry.Info()
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v (%v)", name, info.Mode(), err)
		}
		return nil
	})
}

func TestAJournalThatEndsAnywhereIsOpened(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	s := reopen(t, path)
	add(t, s, "one", "ada/f", "code")
	journal := filepath.Join(path, journalName)
	first, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, "two", "ada/f", "code")
	_ = s.Close()
	whole, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	code := filepath.Join(path, codeFolder, "two"+codeSuffix)
	for end := range len(whole) + 1 {
		if err := os.WriteFile(journal, whole[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"one", "two"} {
			if err := os.WriteFile(filepath.Join(path, codeFolder, id+codeSuffix), []byte("code"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Open(path)
		if err != nil {
			t.Fatalf("cut after %d bytes: %v", end, err)
		}
		want := ""
		if end >= len(first) {
			want = "one"
		}
		if end == len(whole) {
			want = "two"
		}
		wantNamed(t, s, "ada/f", want)
		if _, err := os.Stat(code); (err == nil) != (want == "two") {
			t.Errorf("cut after %d bytes: the code of what is not there: %v", end, err)
		}
		add(t, s, "three", "ada/f", "code") // what is added then is read again
		_ = s.Close()
		s = reopen(t, path)
		wantNamed(t, s, "ada/f", "three")
		_ = s.Close()
	}
}

func TestADamagedJournalIsRefused(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	s := reopen(t, path)
	add(t, s, "one", "ada/f", "code")
	add(t, s, "two", "ada/f", "code")
	_ = s.Close()
	journal := filepath.Join(path, journalName)
	whole, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 3, 5, 20} {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 0xff
		if err := os.WriteFile(journal, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(path); err == nil || !strings.Contains(err.Error(), "damaged at byte 0") {
			t.Errorf("damaged at %d: %v", at, err)
			if err == nil {
				_ = s.Close()
			}
		}
	}
}

func TestAFileThatIsNoJournalIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	for _, foreign := range []string{"x", "to do", "{\"a\": 1}", strings.Repeat("what happened today\n", 1000)} {
		path := t.TempDir()
		journal := filepath.Join(path, journalName)
		if err := os.WriteFile(journal, []byte(foreign), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path)
		if err == nil {
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "its file journal is not an enclave's: name another folder") {
			t.Errorf("%.20q: %v", foreign, err)
		}
		if left, err := os.ReadFile(journal); err != nil || string(left) != foreign {
			t.Errorf("%.20q is %.20q, %v", foreign, left, err)
		}
	}
}

func TestTheJournalIsForNobodyElse(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	_ = reopen(t, path).Close()
	journal := filepath.Join(path, journalName)
	if err := os.Chmod(journal, 0o644); err != nil { // a copy may have other rights
		t.Fatal(err)
	}
	reopen(t, path)
	if info, err := os.Stat(journal); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestAJournalOfChangesLongGoneIsShortened(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	s := reopen(t, path)
	for i := range compactFrom {
		if err := s.AddToken(Token{ID: "t", Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	add(t, s, "one", "ada/f", "code")
	add(t, s, "two", "ada/f", "code")
	_ = s.Close()
	before, _ := os.Stat(filepath.Join(path, journalName))
	s = reopen(t, path)
	after, _ := os.Stat(filepath.Join(path, journalName))
	if after.Size() > before.Size()/10 {
		t.Errorf("the journal had %d bytes, now %d", before.Size(), after.Size())
	}
	for range 2 {
		wantNamed(t, s, "ada/f", "two")
		if token, err := s.Token("t"); err != nil || token.Name != fmt.Sprint(compactFrom-1) {
			t.Errorf("%+v, %v", token, err)
		}
		_ = s.Close()
		s = reopen(t, path)
	}
}
