package script

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/wire"
)

// user owns everything in the service of these tests.
const user = "ann"

// key is made once: an RSA key of this size takes a second or more.
var key = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 4096) })

// memory is a service that keeps everything in memory, for one user.
type memory struct {
	mu        sync.Mutex
	made      int
	functions []*enclave.Deployed
	tokens    []record
}

// record is a token, and what it is for.
type record struct {
	wire.TokenRecord
	secret   string
	function string
}

// token makes one that has the form of a JWT, and the claim that clients read.
func token(number int) string {
	encode := func(value any) string {
		text, _ := json.Marshal(value)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return encode(map[string]any{"alg": "none"}) + "." +
		encode(map[string]any{"https://capeprivacy.com/username": user, "jti": number}) + ".c2lnbmVk"
}

// master is the token that the service is begun with.
func master() string { return token(0) }

func (m *memory) by(secret string) (enclave.Caller, error) {
	if secret == master() {
		return enclave.Caller{User: user}, nil
	}
	for i, t := range m.tokens {
		if t.secret != secret {
			continue
		}
		if t.Expiry != nil && time.Now().After(*t.Expiry) {
			return enclave.Caller{}, &enclave.Refusal{Status: http.StatusUnauthorized, Text: "token is expired"}
		}
		now := time.Now()
		m.tokens[i].LastUsed = &now
		return enclave.Caller{User: user, Function: t.function}, nil
	}
	return enclave.Caller{}, &enclave.Refusal{Status: http.StatusUnauthorized, Text: "the token is not known here"}
}

func (m *memory) Authorise(_ context.Context, c enclave.Credential) (enclave.Caller, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.by(c.Token)
}

func (m *memory) Lookup(_ context.Context, _ enclave.Caller, reference string) (*enclave.Deployed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range slices.Backward(m.functions) {
		if f.ID == reference || f.Name == reference {
			return f, nil
		}
	}
	return nil, &enclave.Refusal{Status: http.StatusNotFound, Text: "no such function"}
}

func (m *memory) Deploy(_ context.Context, by enclave.Caller, d enclave.Deployment) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d.Name == "taken" {
		return "", &enclave.Refusal{Status: http.StatusConflict, Text: "the name taken is that of another function: choose another"}
	}
	m.made++
	id := fmt.Sprintf("functionnumber%08d", m.made)
	m.functions = append(m.functions, &enclave.Deployed{ID: id, Name: user + "/" + d.Name, Owner: user, Checksum: d.Checksum,
		Code: func() ([]byte, error) { return slices.Clone(d.Code), nil }})
	return id, nil
}

func (m *memory) Key(_ context.Context, of string) (*rsa.PrivateKey, error) {
	if of != user {
		return nil, &enclave.Refusal{Status: http.StatusNotFound, Text: "no such user"}
	}
	return key()
}

func (m *memory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fail := func(status int, text string) {
		w.WriteHeader(status)
		_, _ = w.Write(wire.EncodeRESTError(text))
	}
	caller, err := m.by(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if err != nil || caller.Function != "" {
		fail(http.StatusUnauthorized, "the token is not known here, or is for one function")
		return
	}
	switch route, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/"), "/"); r.Method + " " + route {
	case "GET functions":
		list := []wire.FunctionRecord{}
		for _, f := range m.functions {
			list = append(list, wire.FunctionRecord{ID: f.ID, Name: f.Name, CreatedAt: time.Now()})
		}
		_ = json.NewEncoder(w).Encode(list)
	case "DELETE functions":
		before := len(m.functions)
		m.functions = slices.DeleteFunc(m.functions, func(f *enclave.Deployed) bool { return f.ID == id })
		if len(m.functions) == before {
			fail(http.StatusNotFound, "no such function")
		}
	case "POST token":
		var wanted wire.TokenRequest
		body, _ := io.ReadAll(r.Body)
		if json.Unmarshal(body, &wanted) != nil {
			fail(http.StatusBadRequest, "not JSON")
			return
		}
		m.made++
		made := record{secret: token(m.made), function: wanted.FunctionID}
		made.TokenRecord = wire.TokenRecord{ID: fmt.Sprintf("token%d", m.made), Name: wanted.Name, Description: wanted.Description,
			CreatedAt: time.Now(), Expiry: wanted.Expiry}
		m.tokens = append(m.tokens, made)
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(wire.EncodeToken(made.secret))
	case "GET tokens":
		list := []wire.TokenRecord{}
		for _, t := range m.tokens {
			list = append(list, t.TokenRecord)
		}
		_ = json.NewEncoder(w).Encode(list)
	case "DELETE token":
		before := len(m.tokens)
		m.tokens = slices.DeleteFunc(m.tokens, func(t record) bool { return t.ID == id })
		if len(m.tokens) == before {
			fail(http.StatusNotFound, "no such token")
		}
	default:
		fail(http.StatusNotFound, "no such route")
	}
}
