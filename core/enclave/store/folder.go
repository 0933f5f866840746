package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	journalName = "journal"
	lockName    = "lock"
	codeFolder  = "functions"
	codeSuffix  = ".cape"
	temporary   = ".new-" // begins the name of a file that is being written

	// A journal is written anew when it is opened with more than this many records of which half
	// are of no meaning any more.
	compactFrom = 256
)

// Folder is a store in a folder: a journal of everything but code, and a file for the code of each
// function, named after its id. Everything of the journal is held in memory.
type Folder struct {
	path string
	lock *os.File

	mu      sync.RWMutex
	state   state
	journal *journal
	records int
	used    map[string]time.Time // when a token's use was written to the disk
}

var _ Store = (*Folder)(nil)

// state is what the journal amounts to.
type state struct {
	functions map[string]Function // by id
	names     map[string]string   // id by name
	tokens    map[string]Token    // by id
	keys      map[string][]byte   // by name
}

// change is one record of the journal. It takes effect as a whole.
type change struct {
	Function       *Function `json:"function,omitempty"`
	Renamed        bool      `json:"renamed,omitempty"` // Function does not get its name, which another has by now
	DeleteFunction string    `json:"delete_function,omitempty"`
	Token          *Token    `json:"token,omitempty"`
	DeleteToken    string    `json:"delete_token,omitempty"`
	Key            *namedKey `json:"key,omitempty"`
}

type namedKey struct {
	Name string `json:"name"`
	Key  []byte `json:"key"`
}

// Open opens the store in a folder, which is made where there is none. Another process that has it
// open is an error, and so is a folder that holds something else.
func Open(path string) (*Folder, error) {
	s, err := open(path)
	if err != nil {
		remedy := ""
		if notAllowed(err) {
			remedy = ": let the user whom the enclave runs as read and write all that is in it"
		}
		return nil, fmt.Errorf("the data folder %s cannot be used: %w%s", path, err, remedy)
	}
	return s, nil
}

func open(path string) (*Folder, error) {
	if err := os.MkdirAll(filepath.Join(path, codeFolder), 0o700); err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(path, lockName))
	if err != nil {
		return nil, err
	}
	s := &Folder{path: path, lock: lock, used: map[string]time.Time{}, state: state{
		functions: map[string]Function{}, names: map[string]string{}, tokens: map[string]Token{}, keys: map[string][]byte{},
	}}
	if s.journal, err = openJournal(filepath.Join(path, journalName), s.replay); err == nil {
		err = s.tidy()
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Folder) replay(content []byte) error {
	var c change
	if err := json.Unmarshal(content, &c); err != nil {
		return err
	}
	s.records++
	s.state.apply(c)
	return nil
}

func (s *state) apply(c change) {
	if f := c.Function; f != nil {
		s.functions[f.ID] = *f
		if f.Name != "" && !c.Renamed {
			s.names[f.Name] = f.ID
		}
	}
	if f, there := s.functions[c.DeleteFunction]; there {
		delete(s.functions, f.ID)
		if s.names[f.Name] == f.ID {
			delete(s.names, f.Name)
		}
	}
	if c.Token != nil {
		s.tokens[c.Token.ID] = *c.Token
	}
	delete(s.tokens, c.DeleteToken)
	if c.Key != nil {
		s.keys[c.Key.Name] = c.Key.Key
	}
}

// tidy removes what a process has left that died in the middle of something, and shortens the
// journal where that is worth it.
func (s *Folder) tidy() error {
	for _, folder := range []string{s.path, filepath.Join(s.path, codeFolder)} {
		if err := tryWriting(folder); err != nil {
			return err
		}
		entries, err := os.ReadDir(folder)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			id, isCode := strings.CutSuffix(entry.Name(), codeSuffix)
			_, known := s.state.functions[id]
			if strings.HasPrefix(entry.Name(), temporary) || folder != s.path && isCode && !known {
				if err := os.Remove(filepath.Join(folder, entry.Name())); err != nil {
					return err
				}
			}
		}
	}
	live := len(s.state.functions) + len(s.state.tokens) + len(s.state.keys)
	if s.records > compactFrom && s.records > 2*live {
		if err := s.compact(); err != nil && !errors.Is(err, ErrFull) { // which leaves the long one
			return err
		}
	}
	return syncFolder(s.path) // the journal may be new
}

// tryWriting finds out at the start, and not when somebody deploys, that nothing may be written. A
// full disk is no reason not to run what is there.
func tryWriting(folder string) error {
	file, err := os.CreateTemp(folder, temporary+"*")
	if notAllowed(err) {
		return err
	}
	if err != nil {
		return nil
	}
	_ = file.Close()
	return os.Remove(file.Name())
}

// notAllowed says that whoever runs the enclave has to give it the right.
func notAllowed(err error) bool {
	return errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// compact writes the journal anew, with what it amounts to.
func (s *Folder) compact() error {
	var all []byte
	records := 0
	add := func(c change) error {
		content, err := json.Marshal(c)
		all = append(all, encodeRecord(content)...)
		records++
		return err
	}
	for _, f := range s.state.functions {
		if err := add(change{Function: &f, Renamed: s.state.names[f.Name] != f.ID}); err != nil {
			return err
		}
	}
	for _, t := range s.state.tokens {
		if err := add(change{Token: &t}); err != nil {
			return err
		}
	}
	for name, key := range s.state.keys {
		if err := add(change{Key: &namedKey{name, key}}); err != nil {
			return err
		}
	}
	path := filepath.Join(s.path, journalName)
	if err := writeFile(path, bytes.NewReader(all)); err != nil {
		return err
	}
	_ = s.journal.close()
	var err error
	s.records = 0
	s.journal, err = openJournal(path, func([]byte) error { s.records++; return nil })
	if err == nil && s.records != records {
		err = errors.New("the journal was not written as a whole")
	}
	return err
}

// commit makes a change, on the disk and then in memory. The lock is held.
func (s *Folder) commit(c change) error {
	if s.journal == nil {
		return errors.New("the store is closed")
	}
	content, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := s.journal.add(content); err != nil {
		return err
	}
	s.records++
	s.state.apply(c)
	return nil
}

// Close lets another process open the folder.
func (s *Folder) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.journal != nil {
		err = s.journal.close()
		s.journal = nil
	}
	if s.lock != nil {
		unlockFile(s.lock)
		s.lock = nil
	}
	return err
}

// idForm is what ids may be that files are named after.
var idForm = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)

func (s *Folder) codePath(id string) string {
	return filepath.Join(s.path, codeFolder, id+codeSuffix)
}

// AddFunction is part of [Store]. The id is 1 to 64 letters and digits.
func (s *Folder) AddFunction(f Function, code io.Reader) error {
	if !idForm.MatchString(f.ID) {
		return fmt.Errorf("a function cannot have the id %q", f.ID)
	}
	s.mu.RLock()
	_, there := s.state.functions[f.ID]
	s.mu.RUnlock()
	if there {
		return fmt.Errorf("there is a function with the id %s", f.ID)
	}
	// The code comes first, outside the lock: without a record it has no meaning.
	if err := writeFile(s.codePath(f.ID), code); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.commit(change{Function: &f})
	if err != nil && (s.journal == nil || s.journal.broken == nil) { // there is no record, for certain
		_ = os.Remove(s.codePath(f.ID))
	}
	return err
}

// DeleteFunction is part of [Store].
func (s *Folder) DeleteFunction(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.state.functions[id]; !there {
		return ErrNotFound
	}
	if err := s.commit(change{DeleteFunction: id}); err != nil {
		return err
	}
	// Should this fail, the next to open the store does it.
	_ = os.Remove(s.codePath(id))
	return nil
}

// Function is part of [Store].
func (s *Folder) Function(id string) (Function, error) { return find(s, s.state.functions, id) }

// Named is part of [Store].
func (s *Folder) Named(name string) (Function, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f, there := s.state.functions[s.state.names[name]]
	if !there {
		return f, ErrNotFound
	}
	return f, nil
}

func find[Record any](s *Folder, in map[string]Record, id string) (Record, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	record, there := in[id]
	if !there {
		return record, ErrNotFound
	}
	return record, nil
}

// Functions is part of [Store].
func (s *Folder) Functions(owner string) []Function {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []Function
	for _, f := range s.state.functions {
		if f.Owner == owner {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b Function) int { return newest(a.Created, b.Created, a.ID, b.ID) })
	return list
}

func newest(a, b time.Time, first, second string) int {
	if order := b.Compare(a); order != 0 {
		return order
	}
	return strings.Compare(first, second)
}

// Code is part of [Store].
func (s *Folder) Code(id string) (code io.ReadCloser, size int64, err error) {
	if _, err := s.Function(id); err != nil {
		return nil, 0, err
	}
	file, err := os.Open(s.codePath(id))
	if errors.Is(err, os.ErrNotExist) {
		if _, known := s.Function(id); known != nil { // it was deleted just now
			return nil, 0, ErrNotFound
		}
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}
