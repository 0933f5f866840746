//go:build unix

package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const (
	// fullFolder names, for a child that has no room, the folder to work on.
	fullFolder = "LIBCAPE_STORE_FULL"
	// room is how large a file may become there, in bytes.
	room = 4096
)

// fill goes on as a store does on a disk that is full: no file may have more than room. It says
// which tokens were acknowledged, and what it finds wrong.
func fill(path string) (said string) {
	signal.Ignore(syscall.SIGXFSZ) // with which the system tells of this limit alone
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: room, Max: room}); err != nil {
		return err.Error()
	}
	s, err := Open(path)
	if err != nil {
		return err.Error()
	}
	if len(s.Tokens("ada")) > 0 {
		return "opened"
	}
	large := s.AddFunction(Function{ID: "large", Name: "ada/f"}, bytes.NewReader(make([]byte, 2*room)))
	if !errors.Is(large, ErrFull) || !strings.Contains(large.Error(), "no room left") {
		return fmt.Sprint("what is too large gives ", large)
	}
	if err := s.AddFunction(Function{ID: "small", Name: "ada/g"}, strings.NewReader("code")); err != nil {
		return fmt.Sprint("after it, what is small gives ", err)
	}
	tokens, failed := 0, 0
	for i := range 100 { // the journal is full before that
		err := s.AddToken(Token{ID: fmt.Sprint("t", i), Owner: "ada", Description: strings.Repeat("x", 100)})
		switch {
		case err == nil:
			tokens++
			if failed > 0 {
				return "the journal takes more than there is room for"
			}
		case !errors.Is(err, ErrFull):
			return fmt.Sprint("a full journal gives ", err)
		default:
			failed++
		}
		if _, err := s.Token(fmt.Sprint("t", i)); (err == nil) != (failed == 0) {
			return fmt.Sprintf("token %d after %d failures: %v", i, failed, err)
		}
	}
	// The code has room where its record has none.
	if err := s.AddFunction(Function{ID: "late", Name: strings.Repeat("x", 200)}, strings.NewReader("code")); !errors.Is(err, ErrFull) {
		return fmt.Sprint("a function for whose record there is no room gives ", err)
	}
	if _, err := os.Stat(s.codePath("late")); !errors.Is(err, os.ErrNotExist) {
		return fmt.Sprint("its code takes room: ", err)
	}
	// What needs less than is left still works: nothing of the failed ones is there.
	if err := s.DeleteFunction("small"); err != nil {
		return fmt.Sprint("to delete gives ", err)
	}
	return fmt.Sprintf("%d tokens", tokens)
}

func withoutRoom(path string) (said []byte, err error) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), fullFolder+"="+path)
	return child.CombinedOutput()
}

func TestAJournalThatCannotBeShortenedForLackOfRoomIsOpened(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	s := reopen(t, path)
	for i := range 3 * compactFrom / 2 {
		if err := s.AddToken(Token{ID: fmt.Sprint(i % 100), Owner: "ada"}); err != nil {
			t.Fatal(err)
		}
	}
	_ = s.Close()
	if said, err := withoutRoom(path); err != nil || string(said) != "opened\n" {
		t.Errorf("%s (%v)", said, err)
	}
	if s := reopen(t, path); len(s.Tokens("ada")) != 100 {
		t.Errorf("%d tokens", len(s.Tokens("ada")))
	}
}

func TestAFullDiskLosesNothingAndIsTold(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	said, err := withoutRoom(path)
	var tokens int
	if _, scanned := fmt.Sscanf(string(said), "%d tokens", &tokens); err != nil || scanned != nil || tokens < 5 {
		t.Fatalf("%s (%v)", said, err)
	}
	s := reopen(t, path)
	if len(s.Tokens("ada")) != tokens {
		t.Errorf("%d tokens, %d were acknowledged", len(s.Tokens("ada")), tokens)
	}
	for _, name := range []string{"ada/f", "ada/g"} {
		wantNamed(t, s, name, "")
	}
	if left, err := os.ReadDir(filepath.Join(path, codeFolder)); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	add(t, s, "large", "ada/f", string(make([]byte, 2*room))) // now that there is room
	wantNamed(t, s, "ada/f", "large")
}
