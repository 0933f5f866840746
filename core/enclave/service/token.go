package service

import (
	"cmp"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/libcape/libcape/core/enclave"
	"github.com/libcape/libcape/core/enclave/store"
	"github.com/libcape/libcape/core/wire"
)

// What the tokens of this service say (RFC 7519 section 4.1).
const (
	issuer   = "https://capeprivacy.com"
	audience = "cape-api"
	// signerName is the key id of tokens that this service has signed.
	signerName = "cape-enclave"
	invoke     = "function:invoke"
	maxToken   = 16 << 10 // bytes
	leeway     = 30 * time.Second
)

// claims are those that clients and this service look at. A token may say more; that is of no
// meaning here.
type claims struct {
	jwt.RegisteredClaims
	Username string `json:"https://capeprivacy.com/username,omitempty"`
	Nickname string `json:"nickname,omitempty"` // for clients alone: at many issuers users choose it themselves
	Scope    string `json:"scope,omitempty"`
	Function string `json:"function_id,omitempty"`
}

// userName is what a user may be called: it is part of functions' names.
var userName = regexp.MustCompile(`^[A-Za-z0-9_.@-]{1,64}$`)

// user is whom a token names; empty: nobody that can be used. A name that cannot be used is not
// passed over for the next: what an issuer calls one user there may be the name of another.
func (c *claims) user() string {
	name := cmp.Or(c.Username, c.Subject)
	if !validUser(name) {
		return ""
	}
	return name
}

// noUser is what a caller is told whose token names nobody that can be used.
func (c *claims) noUser() string {
	const remedy = ": have the issuer set https://capeprivacy.com/username"
	switch {
	case c.Username != "":
		return "the token's user, its claim https://capeprivacy.com/username, cannot be one here: it has to be 1 to 64 letters, digits, _, ., @ and -"
	case c.Subject != "":
		return "the token's user, its claim sub, cannot be one here, as it is not 1 to 64 letters, digits, _, ., @ and -" + remedy
	}
	return "the token names no user, neither in its claim https://capeprivacy.com/username nor in sub" + remedy
}

func validUser(name string) bool { return userName.MatchString(name) && name != "." && name != ".." }

// newToken signs a personal access token for what the store knows of it.
func (s *Service) newToken(t store.Token) (string, error) {
	c := claims{
		RegisteredClaims: jwt.RegisteredClaims{
			ID: t.ID, Issuer: issuer, Audience: jwt.ClaimStrings{audience}, Subject: t.Owner,
			IssuedAt: jwt.NewNumericDate(t.Created), NotBefore: jwt.NewNumericDate(t.Created),
		},
		Username: t.Owner, Nickname: t.Owner, Function: t.Function,
	}
	if t.Function != "" {
		c.Scope = invoke
	}
	if t.Expiry != nil {
		c.ExpiresAt = jwt.NewNumericDate(*t.Expiry)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, c)
	token.Header["kid"] = signerName
	return token.SignedString(s.signer)
}

// parse checks a token against a key, with the ways of signing that go with it.
func (s *Service) parse(token string, by Issuer, more ...jwt.ParserOption) (*claims, error) {
	allowed, err := by.methods()
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(append([]jwt.ParserOption{
		jwt.WithValidMethods(allowed), jwt.WithTimeFunc(s.options.Now), jwt.WithStrictDecoding(),
	}, more...)...)
	var c claims
	_, err = parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return by.Key, nil })
	return &c, err
}

// statusUnknown is that of a refusal of a token of which nothing is known. It is for inside only.
const statusUnknown = 0

// identify says whose a token is.
func (s *Service) identify(token string) (enclave.Caller, error) {
	by, err := s.verify(token)
	var refusal *enclave.Refusal
	if errors.As(err, &refusal) && refusal.Status == statusUnknown {
		if s.options.Auth {
			return enclave.Caller{}, refused(http.StatusUnauthorized, "%s", refusal.Text)
		}
		by, err = anyone(token), nil
	}
	if err != nil {
		return enclave.Caller{}, err
	}
	if err := s.remember(by); err != nil {
		return enclave.Caller{}, err
	}
	return by, nil
}

// anyone is the caller of a service that takes any token: the user whom it names.
func anyone(token string) enclave.Caller {
	var c claims
	if len(token) <= maxToken {
		if _, _, err := jwt.NewParser().ParseUnverified(token, &c); err == nil && c.user() != "" {
			return enclave.Caller{User: c.user(), Unproven: true}
		}
	}
	return enclave.Caller{User: DefaultUser, Unproven: true}
}

func (s *Service) verify(token string) (enclave.Caller, error) {
	if token == "" {
		return enclave.Caller{}, refused(statusUnknown, "a token is needed: log in, or have one made with 'cape token create'")
	}
	var hint claims
	var form *jwt.Token
	err := error(jwt.ErrTokenMalformed)
	if len(token) <= maxToken {
		form, _, err = jwt.NewParser(jwt.WithStrictDecoding()).ParseUnverified(token, &hint)
	}
	if err != nil {
		return enclave.Caller{}, refused(statusUnknown, "the token is no JSON web token: pass the whole of it")
	}
	if _, critical := form.Header["crit"]; critical { // RFC 7515 section 4.1.11: nothing of it is understood here
		return enclave.Caller{}, refused(statusUnknown, "the token asks for what is not known here: its header has \"crit\"")
	}
	if form.Header["kid"] == signerName {
		return s.verifyOwn(token)
	}
	if f, err := s.store.Function(hint.Subject); err == nil && f.TokenKey != "" {
		return s.verifyForFunction(token, f)
	}
	id, _ := form.Header["kid"].(string)
	return s.verifyIssued(token, id)
}

// verifyOwn checks a token that this service made.
func (s *Service) verifyOwn(token string) (enclave.Caller, error) {
	c, err := s.parse(token, Issuer{Key: &s.signer.PublicKey}, jwt.WithIssuer(issuer), jwt.WithAudience(audience))
	if unverifiable(err) {
		// Another service has the same name for its key, and another data folder.
		return enclave.Caller{}, refused(statusUnknown, "the token was not made by this enclave: use one that was")
	}
	if err != nil {
		return enclave.Caller{}, invalid(err, c)
	}
	kept, err := s.kept(c)
	if err != nil {
		return enclave.Caller{}, err
	}
	s.store.UseToken(kept.ID, s.options.Now().UTC())
	standing := func() error {
		if _, err := s.kept(c); err != nil {
			return err
		}
		return s.unexpired(c, 0)
	}
	return enclave.Caller{User: kept.Owner, Function: kept.Function, Standing: standing}, nil
}

// kept is what the store knows of a token that this service made.
func (s *Service) kept(c *claims) (store.Token, error) {
	kept, err := s.store.Token(c.ID)
	if errors.Is(err, store.ErrNotFound) || err == nil && kept.Owner != c.Subject {
		return kept, refused(http.StatusUnauthorized, "the token was revoked: have another made")
	}
	return kept, err
}

// unexpired says whether the time of a token that was good is still to come.
func (s *Service) unexpired(c *claims, leeway time.Duration) error {
	if c.ExpiresAt != nil && !s.options.Now().Before(c.ExpiresAt.Add(leeway)) {
		return invalid(jwt.ErrTokenExpired, c)
	}
	return nil
}

// verifyForFunction checks a token that a function's deployer has signed for it.
func (s *Service) verifyForFunction(token string, f store.Function) (enclave.Caller, error) {
	key, err := ParsePublicKey([]byte(f.TokenKey))
	if err != nil {
		return enclave.Caller{}, err
	}
	c, err := s.parse(token, Issuer{Key: key}, jwt.WithExpirationRequired(), jwt.WithLeeway(leeway))
	if err != nil {
		return enclave.Caller{}, invalid(err, c)
	}
	// The earliest of these tokens have no scope.
	if c.Scope != "" && !slices.Contains(strings.Fields(c.Scope), invoke) {
		return enclave.Caller{}, refused(http.StatusForbidden, "the token is not for running the function: its scope lacks %s", invoke)
	}
	return enclave.Caller{User: f.Owner, Function: f.ID, Standing: func() error { return s.unexpired(c, leeway) }}, nil
}

// verifyIssued checks an access token of one of the issuers, which names the key with this id; "":
// none.
func (s *Service) verifyIssued(token, id string) (enclave.Caller, error) {
	more := []jwt.ParserOption{jwt.WithExpirationRequired(), jwt.WithLeeway(leeway)}
	if s.options.Audience != "" {
		more = append(more, jwt.WithAudience(s.options.Audience))
	}
	for _, key := range s.options.Issuers {
		if id != "" && key.ID != "" && key.ID != id {
			continue
		}
		c, err := s.parse(token, key, more...)
		switch {
		case unverifiable(err):
			continue // another key may fit
		case err != nil:
			return enclave.Caller{}, invalid(err, c)
		case c.user() == "":
			return enclave.Caller{}, refused(http.StatusUnauthorized, "%s", c.noUser())
		case s.options.Auth && c.user() == DefaultUser:
			return enclave.Caller{}, refused(http.StatusUnauthorized, "the token names the user %s, which is the enclave's own name: the issuer has to give this user another", DefaultUser)
		}
		return enclave.Caller{User: c.user(), Standing: func() error { return s.unexpired(c, leeway) }}, nil
	}
	return enclave.Caller{}, refused(statusUnknown, "the token is of nobody whom this enclave trusts: use one that it made, or that an issuer of its choice made")
}

func unverifiable(err error) bool {
	return errors.Is(err, jwt.ErrTokenSignatureInvalid) || errors.Is(err, jwt.ErrTokenUnverifiable)
}

// invalid is what a caller is told of a token that is not good, though a key that counts has signed
// it. Clients look for the words "token is expired".
func invalid(err error, c *claims) error {
	text := "the token is not valid: pass the whole of it, or have another made"
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		text = "the token is expired: log in again, or have another made"
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		text = "the token is not valid yet: is the clock of the enclave right?"
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing) && c.ExpiresAt == nil:
		text = "the token has no end, its claim exp: have one made that expires"
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing), errors.Is(err, jwt.ErrTokenInvalidAudience):
		text = "the token is for another audience, its claim aud, than the enclave wants: have one made for that"
	}
	return refused(http.StatusUnauthorized, "%s", text)
}

const (
	maxTokenName        = 256 // bytes
	maxTokenDescription = 4096
)

// CreateToken makes a token for a user. What it returns is told once and not kept.
func (s *Service) CreateToken(user string, r wire.TokenRequest) (string, error) {
	now := s.options.Now().UTC()
	if !validUser(user) {
		return "", refused(http.StatusBadRequest, "a user cannot be named %.100q: use 1 to 64 letters, digits, _, ., @ and -", user)
	}
	if len(r.Name) > maxTokenName || len(r.Description) > maxTokenDescription {
		return "", refused(http.StatusBadRequest, "a token's name has at most %d bytes, its description %d", maxTokenName, maxTokenDescription)
	}
	if r.Expiry != nil && !r.Expiry.After(now) {
		return "", refused(http.StatusBadRequest, "the token would have expired already: give a time to come")
	}
	if r.FunctionID != "" {
		f, err := s.find(enclave.Caller{User: user}, r.FunctionID)
		if err != nil {
			return "", err
		}
		r.FunctionID = f.ID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.store.Tokens(user)) >= maxTokens {
		return "", refused(http.StatusForbidden, "you have %d tokens, as many as you may: delete one first", maxTokens)
	}
	t := store.Token{
		ID: newID(), Owner: user, Name: r.Name, Description: r.Description, Function: r.FunctionID, Created: now, Expiry: r.Expiry,
	}
	token, err := s.newToken(t)
	if err != nil {
		return "", err
	}
	if err := s.store.AddToken(t); err != nil {
		return "", s.failed(err)
	}
	s.options.Log.Info("token made", "id", t.ID, "user", user, "function", t.Function)
	return token, nil
}
