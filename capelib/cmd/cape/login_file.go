package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/libcape/libcape/capelib"
)

// login is the file that 'cape login' writes. Other clients read it too, and know all but the last
// two.
type login struct {
	AccessToken  string    `json:"access_token"`
	TokenType    string    `json:"token_type"`
	RefreshToken string    `json:"refresh_token"`
	Expiry       time.Time `json:"expiry"`
	IDToken      string    `json:"id_token"`
	// Host is where the token may be shown. Files of other clients do not say.
	Host string `json:"enclave_host,omitempty"`
	// Issuer is who renews the token.
	Issuer string `json:"auth_host,omitempty"`
}

// hasEnded says that the token has ended, or is about to.
func (l *login) hasEnded() bool {
	const reserve = 30 * time.Second
	return !l.Expiry.IsZero() && time.Now().Add(reserve).After(l.Expiry)
}

// savedLogin reads the login, or gives nil where there is none.
func (e *environment) savedLogin() (*login, error) {
	if e.folder() == "" {
		return nil, nil
	}
	path := filepath.Join(e.folder(), e.get("local_auth_file_name"))
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, usagef("the login cannot be read: %v", err)
	}
	var saved login
	if err := json.Unmarshal(content, &saved); err != nil || saved.AccessToken == "" {
		return nil, usagef("%s holds no login: run 'cape login'", path)
	}
	return &saved, nil
}

// saveLogin keeps a login for the commands after this.
func (e *environment) saveLogin(saved *login) error {
	content, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	return e.keep(e.get("local_auth_file_name"), append(content, '\n'))
}

// tokenFor is the token of the environment, or else the saved one, if it may be shown to the host
// of an address: a login is for one. A saved token that has ended is renewed.
func (e *environment) tokenFor(address string) (string, error) {
	if token := strings.TrimSpace(os.Getenv("CAPE_TOKEN")); token != "" {
		return token, nil
	}
	saved, err := e.savedLogin()
	if err != nil || saved == nil {
		return "", err
	}
	if saved.Host != "" && hostOf(saved.Host) != hostOf(address) {
		return "", nil
	}
	if saved.hasEnded() {
		ctx, cancel := context.WithTimeout(context.Background(), capelib.DefaultTimeout)
		defer cancel()
		if saved, err = e.renew(ctx, saved); err != nil {
			return "", err
		}
	}
	return saved.AccessToken, nil
}

func hostOf(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.Map(func(r rune) rune { // some letters beyond ASCII have a small form in it
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, parsed.Host)
}

// claim reads a text out of a token that is a JWT. Nobody has checked it: it is for showing only.
func claim(token, name string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims map[string]any
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	text, _ := claims[name].(string)
	return text
}
