package service

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/enclave/store"
	"github.com/libcape/libcape/core/wire"
)

const (
	maxBody      = 64 << 10
	defaultLimit = 50
	maxLimit     = 1000
)

// answer is what a route gives: a status and a value that becomes JSON.
type answer struct {
	status int
	value  any
}

type handler func(r *http.Request, by enclave.Caller) (answer, error)

// ServeHTTP answers the REST routes.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := s.answer(r)
	var refusal *enclave.Refusal
	switch {
	case errors.As(err, &refusal):
		a = answer{refusal.Status, json.RawMessage(wire.EncodeRESTError(refusal.Text))}
	case err != nil:
		s.options.Log.Error("failure in the service", "error", err)
		a = answer{http.StatusInternalServerError, json.RawMessage(wire.EncodeRESTError("the enclave has a failure: its log has the details"))}
	}
	body, err := json.Marshal(a.value)
	if err != nil {
		panic(err) // records and maps of text cannot fail
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(body)
}

// answer finds the route of a request, then says who asks, then does what is asked for.
func (s *Service) answer(r *http.Request) (answer, error) {
	elements := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	handle := s.route(r.Method, elements)
	if handle == nil {
		return answer{}, refused(http.StatusNotFound, "no such route here: %.60q", r.Method+" "+r.URL.Path)
	}
	by, err := s.bearer(r)
	if err != nil {
		return answer{}, err
	}
	return handle(r, by)
}

// matches reports whether a path is of this form, in which * stands for any one element.
func matches(elements []string, form string) bool {
	wanted := strings.Split(form, "/")
	if len(elements) != len(wanted) {
		return false
	}
	for i, element := range elements {
		if element == "" || wanted[i] != "*" && wanted[i] != element {
			return false
		}
	}
	return true
}

func (s *Service) route(method string, path []string) handler {
	last := path[len(path)-1]
	for _, route := range []struct {
		method, form string
		handle       handler
	}{
		{http.MethodGet, "v1/functions", s.listFunctions},
		{http.MethodGet, "v1/functions/*", func(_ *http.Request, by enclave.Caller) (answer, error) { return s.showFunction(by, last) }},
		{http.MethodDelete, "v1/functions/*", func(_ *http.Request, by enclave.Caller) (answer, error) { return s.deleteFunction(by, last) }},
		{http.MethodPost, "v1/token", s.createToken},
		{http.MethodDelete, "v1/token/*", func(_ *http.Request, by enclave.Caller) (answer, error) { return s.deleteToken(by, last) }},
		{http.MethodGet, "v1/tokens", s.listTokens},
		{http.MethodGet, "v1/*/function/*", func(_ *http.Request, by enclave.Caller) (answer, error) {
			return s.showFunction(by, path[1]+"/"+last)
		}},
		{http.MethodGet, "v1/user/identity", identity},
		{http.MethodPost, "v1/marketplace_link_account", func(*http.Request, enclave.Caller) (answer, error) {
			return answer{}, refused(http.StatusNotImplemented, "this enclave has no marketplace to link an account with")
		}},
	} {
		if route.method == method && matches(path, route.form) {
			return route.handle
		}
	}
	return nil
}

// bearer says who asks (RFC 6750 section 2.1). A token for one function is for running it alone.
func (s *Service) bearer(r *http.Request) (enclave.Caller, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		token = ""
	}
	by, err := s.identify(strings.TrimSpace(token))
	if err == nil {
		err = by.CheckOrigin(r)
	}
	if err == nil && by.Function != "" {
		err = refused(http.StatusForbidden, "the token is for running one function: use one that is not bound to a function")
	}
	return by, err
}

func identity(_ *http.Request, by enclave.Caller) (answer, error) {
	return answer{http.StatusOK, map[string]string{"id": by.User, "user_id": by.User, "username": by.User, "nickname": by.User}}, nil
}

// listed is a function in a list. Clients before February 2023 look for another name of the time.
type listed struct {
	wire.FunctionRecord
	OldCreatedAt time.Time `json:"CreatedAt"`
}

// record describes a function. Its name is there only if it leads to this function, and not to
// another that took it, or to none.
func (s *Service) record(f store.Function) wire.FunctionRecord {
	if named, err := s.store.Named(f.Name); err != nil || named.ID != f.ID {
		f.Name = ""
	}
	return wire.FunctionRecord{ID: f.ID, Name: f.Name, CreatedAt: f.Created}
}

func (s *Service) listFunctions(r *http.Request, by enclave.Caller) (answer, error) {
	limit, err := number(r, "limit", defaultLimit)
	if err != nil {
		return answer{}, err
	}
	offset, err := number(r, "offset", 0)
	if err != nil {
		return answer{}, err
	}
	functions := s.store.Functions(by.User)
	functions = functions[min(offset, len(functions)):]
	functions = functions[:min(limit, maxLimit, len(functions))]
	list := make([]listed, 0, len(functions))
	for _, f := range functions {
		list = append(list, listed{s.record(f), f.Created})
	}
	return answer{http.StatusOK, list}, nil
}

func number(r *http.Request, name string, absent int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return absent, nil
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < 0 {
		return 0, refused(http.StatusBadRequest, "%s is %.20q: give a number, 0 or more", name, text)
	}
	return value, nil
}

func (s *Service) showFunction(by enclave.Caller, reference string) (answer, error) {
	f, err := s.find(by, reference)
	if err != nil {
		return answer{}, err
	}
	shown := s.record(f)
	shown.UserID, shown.Location = f.Owner, "functions/"+f.ID
	return answer{http.StatusOK, shown}, nil
}

func (s *Service) deleteFunction(by enclave.Caller, id string) (answer, error) {
	f, err := s.store.Function(id)
	if err == nil && f.Owner != by.User {
		err = store.ErrNotFound
	}
	if err == nil {
		err = s.store.DeleteFunction(id)
	}
	if errors.Is(err, store.ErrNotFound) {
		return answer{}, refused(http.StatusNotFound, "no such function here, or it is not yours: 'cape list' shows yours")
	}
	if err != nil {
		return answer{}, s.failed(err)
	}
	s.options.Log.Info("function deleted", "id", id, "user", by.User)
	return answer{http.StatusOK, struct{}{}}, nil
}

func (s *Service) createToken(r *http.Request, by enclave.Caller) (answer, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return answer{}, refused(http.StatusBadRequest, "the request did not arrive, or has more than %d bytes", maxBody)
	}
	var request wire.TokenRequest
	if err := json.Unmarshal(body, &request); err != nil {
		return answer{}, refused(http.StatusBadRequest, "the request is no JSON object with name, description, function_id and expiry")
	}
	token, err := s.CreateToken(by.User, request)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusCreated, json.RawMessage(wire.EncodeToken(token))}, nil
}

func (s *Service) listTokens(_ *http.Request, by enclave.Caller) (answer, error) {
	tokens := s.store.Tokens(by.User)
	list := make([]wire.TokenRecord, 0, len(tokens))
	for _, t := range tokens {
		list = append(list, wire.TokenRecord{
			ID: t.ID, Name: t.Name, Description: t.Description, CreatedAt: t.Created, Expiry: t.Expiry, LastUsed: t.Used,
		})
	}
	return answer{http.StatusOK, list}, nil
}

func (s *Service) deleteToken(by enclave.Caller, id string) (answer, error) {
	t, err := s.store.Token(id)
	if err == nil && t.Owner != by.User {
		err = store.ErrNotFound
	}
	if err == nil {
		err = s.store.DeleteToken(id)
	}
	if errors.Is(err, store.ErrNotFound) {
		return answer{}, refused(http.StatusNotFound, "no such token, or it is not yours: 'cape token list' shows yours")
	}
	if err != nil {
		return answer{}, s.failed(err)
	}
	s.options.Log.Info("token revoked", "id", id, "user", by.User)
	return answer{http.StatusOK, struct{}{}}, nil
}
