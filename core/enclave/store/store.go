// Package store keeps what an enclave as a service has to remember: functions, their names, tokens
// and keys.
//
//	s, err := store.Open(folder)
//	defer s.Close()
//
// [Store] is what a service needs of it; [Folder] is the one that is here, in a folder of the local
// file system, for one process at a time.
package store

import (
	"errors"
	"io"
	"time"
)

// ErrNotFound says that there is no such function, token or key.
var ErrNotFound = errors.New("the store has no such record")

// Store is what a service remembers. All methods may be called from any goroutine. What a method
// that changes something has returned nil for outlives the process, however it ends. After an error
// of such a method the change may be there or not.
type Store interface {
	// AddFunction keeps a function with its code, of which nil is none, and gives it its name, which
	// moves if another function had it.
	AddFunction(f Function, code io.Reader) error
	// DeleteFunction removes a function with its code, and its name if it has it.
	DeleteFunction(id string) error
	// Function finds a function by its id, Named by the name that it has at present.
	Function(id string) (Function, error)
	Named(name string) (Function, error)
	// Functions lists those of an owner, the newest first.
	Functions(owner string) []Function
	// Code opens a function's code as it was added, and tells its size in bytes.
	Code(id string) (code io.ReadCloser, size int64, err error)

	AddToken(t Token) error
	DeleteToken(id string) error
	Token(id string) (Token, error)
	// Tokens lists those of an owner, the newest first.
	Tokens(owner string) []Token
	// UseToken notes when a token was used last. It may be forgotten when the process ends.
	UseToken(id string, at time.Time)

	// Key returns a key by its name. PutKey keeps one, and returns the one that is kept: the
	// first that was put under the name.
	Key(name string) ([]byte, error)
	PutKey(name string, key []byte) ([]byte, error)

	Close() error
}

// Function is one deployed function.
type Function struct {
	ID       string    `json:"id"`
	Name     string    `json:"name,omitempty"` // "user/name"
	Owner    string    `json:"owner"`
	Public   bool      `json:"public,omitempty"`
	TokenKey string    `json:"token_key,omitempty"` // PEM
	Checksum []byte    `json:"checksum"`
	Created  time.Time `json:"created"`
}

// Token is what is known of one token. The token itself is not kept.
type Token struct {
	ID          string     `json:"id"`
	Owner       string     `json:"owner"`
	Name        string     `json:"name,omitempty"`
	Description string     `json:"description,omitempty"`
	Function    string     `json:"function,omitempty"` // the only one it is for
	Created     time.Time  `json:"created"`
	Expiry      *time.Time `json:"expiry,omitempty"`
	Used        *time.Time `json:"used,omitempty"`
}

// errInUse says that another process has the folder open.
var errInUse = errors.New("another enclave has it open: end that one, or name another folder")
