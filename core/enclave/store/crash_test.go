//go:build unix

package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// crashFolder names, for a child of the crash test, the folder to work on.
const crashFolder = "LIBCAPE_STORE_CRASH"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFolder); path != "" {
		fmt.Println("fail", work(path))
		os.Exit(1)
	}
	if path := os.Getenv(fullFolder); path != "" {
		fmt.Println(fill(path))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// work changes the store without end. It says what it is about to do, then that it is done.
func work(path string) error {
	s, err := Open(path)
	if err != nil {
		return err
	}
	code := make([]byte, 64<<10)
	for {
		id := fmt.Sprintf("%x", rand.Uint64())
		functions, tokens := s.Functions("ada"), s.Tokens("ada")
		var run func() error
		switch draw := rand.IntN(4); {
		case draw == 0 || draw == 1 && len(functions) < 5:
			name := fmt.Sprint("ada/", rand.IntN(3))
			fmt.Println("deploy", id, name)
			run = func() error {
				content := append([]byte(id), code[:rand.IntN(len(code))]...)
				sum := sha256.Sum256(content)
				return s.AddFunction(Function{ID: id, Name: name, Owner: "ada", Created: time.Now(), Checksum: sum[:]}, bytes.NewReader(content))
			}
		case draw == 1:
			gone := functions[rand.IntN(len(functions))].ID
			fmt.Println("delete", gone)
			run = func() error { return s.DeleteFunction(gone) }
		case draw == 2 || len(tokens) < 5:
			fmt.Println("token", id)
			run = func() error { return s.AddToken(Token{ID: id, Owner: "ada", Created: time.Now()}) }
		default:
			gone := tokens[rand.IntN(len(tokens))].ID
			fmt.Println("revoke", gone)
			run = func() error { return s.DeleteToken(gone) }
		}
		if err := run(); err != nil {
			return err
		}
		fmt.Println("done")
	}
}

// model is what the store has to hold.
type model struct {
	functions, tokens map[string]bool
	names             map[string]string
}

func (m *model) apply(line []string) {
	switch line[0] {
	case "deploy":
		m.functions[line[1]] = true
		m.names[line[2]] = line[1]
	case "delete":
		delete(m.functions, line[1])
		for name, id := range m.names {
			if id == line[1] {
				delete(m.names, name)
			}
		}
	case "token":
		m.tokens[line[1]] = true
	case "revoke":
		delete(m.tokens, line[1])
	}
}

// check reports how the store differs from the model.
func (m *model) check(s *Folder) error {
	functions, tokens := s.Functions("ada"), s.Tokens("ada")
	if len(functions) != len(m.functions) || len(tokens) != len(m.tokens) {
		return fmt.Errorf("%d functions and %d tokens, want %d and %d", len(functions), len(tokens), len(m.functions), len(m.tokens))
	}
	for _, f := range functions {
		code, err := readCode(s, f.ID)
		sum := sha256.Sum256(code)
		if err != nil || !bytes.Equal(sum[:], f.Checksum) || !strings.HasPrefix(string(code), f.ID) || !m.functions[f.ID] {
			return fmt.Errorf("the function %s: %v", f.ID, err)
		}
	}
	for _, t := range tokens {
		if !m.tokens[t.ID] {
			return fmt.Errorf("the token %s was revoked", t.ID)
		}
	}
	for i := range 3 {
		name := fmt.Sprint("ada/", i)
		f, err := s.Named(name)
		if f.ID != m.names[name] || err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("%s is %q, want %q (%v)", name, f.ID, m.names[name], err)
		}
	}
	return nil
}

func TestNothingAcknowledgedIsLostWhenTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	const kills = 200
	path := filepath.Join(t.TempDir(), "data")
	m := &model{map[string]bool{}, map[string]bool{}, map[string]string{}}
	within, changes := map[string]int{}, map[string]int{}
	for range kills {
		last := killOnce(t, path, m, changes)
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		err = m.check(s)
		if last != nil { // killed in the middle of it: it may have taken effect or not
			within[last[0]]++
			if err != nil {
				m.apply(last)
				err = m.check(s)
			}
		}
		if err != nil {
			t.Fatalf("after %v: %v", last, err)
		}
		left, err := os.ReadDir(filepath.Join(path, codeFolder))
		if err != nil || len(left) != len(m.functions) {
			t.Fatalf("%d files for %d functions (%v)", len(left), len(m.functions), err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	all := 0
	for _, kind := range []string{"deploy", "delete", "token", "revoke"} {
		all += within[kind]
		if within[kind] == 0 || changes[kind] == 0 {
			t.Errorf("%d kills came in the middle of a %s, of which %d were acknowledged: too few to prove anything", within[kind], kind, changes[kind])
		}
	}
	if all < kills/4 {
		t.Errorf("%d of %d kills came in the middle of a change: too few to prove anything", all, kills)
	}
	t.Logf("of %d kills, %v came in the middle of a change; %v were acknowledged", kills, within, changes)
}

// killOnce runs a child for a moment, and returns what it was about to do when it was killed.
func killOnce(t *testing.T, path string, m *model, changes map[string]int) (last []string) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashFolder+"="+path)
	child.Stderr = os.Stderr
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(output)
	kill := func() { _ = child.Process.Kill() }
	defer func() { _ = child.Wait() }()
	defer kill()
	for first := true; ; first = false {
		text, err := lines.ReadString('\n')
		if err == io.EOF {
			return last
		}
		if err != nil {
			t.Fatal(err)
		}
		if first {
			time.AfterFunc(time.Duration(rand.IntN(20_000))*time.Microsecond, kill)
		}
		switch line := strings.Fields(text); line[0] {
		case "fail":
			t.Fatal(text)
		case "done":
			m.apply(last)
			changes[last[0]]++
			last = nil
		default:
			last = slices.Clone(line)
		}
	}
}
