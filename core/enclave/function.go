package enclave

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/big"
	"path/filepath"
	"regexp"
	"slices"
)

// user is the owner of all functions of a local enclave.
const user = "local"

// function is one function that is served.
type function struct {
	name     string // "local/<name>"
	id       string
	checksum [sha256.Size]byte
	handler  Handler // nil: archive holds it
	archive  string  // path of its zip; empty: code holds it
	owner    string  // whose Cape key opens inputs, and code
	code     func() (sealed io.ReadCloser, size int64, err error)
}

// idAlphabet is that of shortuuid: what is easily told apart.
const (
	idAlphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	idLength   = 22
)

// functionID derives an id from name and content, so that it outlives a restart and changes
// with the content.
func functionID(name string, checksum [sha256.Size]byte) string {
	digest := sha256.Sum256(fmt.Appendf(nil, "libcape function id\x00%s\x00%x", name, checksum))
	number := new(big.Int).SetBytes(digest[:16])
	base, digit := big.NewInt(int64(len(idAlphabet))), new(big.Int)
	id := make([]byte, idLength)
	for i := range id {
		number.DivMod(number, base, digit)
		id[i] = idAlphabet[digit.Int64()]
	}
	return string(id)
}

// newFunction measures one function and, if it is a folder, packs it into the scratch folder.
// image stands for the program that holds the handlers.
func newFunction(f Function, scratch string, image []byte) (*function, error) {
	if (f.Folder == "") == (f.Handler == nil) {
		return nil, fail("argument.functions", nil, "function %q needs a folder or a handler, one of the two", f.Name)
	}
	name := f.Name
	if f.Folder != "" {
		folder, err := filepath.Abs(f.Folder)
		if err != nil {
			return nil, fail("argument.functions", err, "the function folder %s cannot be found: %v", f.Folder, err)
		}
		f.Folder = folder
		if name == "" {
			name = filepath.Base(folder)
		}
	}
	if !validName(name) {
		return nil, fail("argument.functions", nil, "a function cannot be named %q: use 1 to 64 letters, digits, _, . and -", name)
	}
	made := &function{name: user + "/" + name, handler: f.Handler, owner: user}
	if f.Handler != nil {
		// A handler is part of the program, so that is what stands for its content.
		made.checksum = sha256.Sum256(fmt.Appendf(nil, "libcape handler\x00%s\x00%x", name, image))
	} else {
		var err error
		if made.archive, made.checksum, err = pack(f.Folder, scratch); err != nil {
			return nil, fail("argument.functions", err, "the function folder %s cannot be served: %v", f.Folder, err)
		}
	}
	made.id = functionID(made.name, made.checksum)
	return made, nil
}

func validName(name string) bool {
	return name != "." && name != ".." && regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`).MatchString(name)
}

// find returns the function of a route: an id, or a user and a name.
func (e *Enclave) find(reference string) *function {
	i := slices.IndexFunc(e.functions, func(f *function) bool {
		return f.id == reference || f.name == reference
	})
	if i < 0 {
		return nil
	}
	return e.functions[i]
}
