package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// login is the file that 'cape login' writes. Other clients read it too, and know all but the last.
type login struct {
	AccessToken  string    `json:"access_token"`
	TokenType    string    `json:"token_type"`
	RefreshToken string    `json:"refresh_token"`
	Expiry       time.Time `json:"expiry"`
	IDToken      string    `json:"id_token"`
	// Host is where the token may be shown. Files of other clients do not say.
	Host string `json:"enclave_host,omitempty"`
}

// savedLogin reads the login, or gives nil where there is none.
func (e *environment) savedLogin() (*login, error) {
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

// tokenFor is the saved token, if it may be shown to the host of an address: a login is for one.
func (e *environment) tokenFor(address string) (string, error) {
	saved, err := e.savedLogin()
	if err != nil || saved == nil {
		return "", err
	}
	if saved.Host != "" && hostOf(saved.Host) != hostOf(address) {
		return "", nil
	}
	return saved.AccessToken, nil
}

func hostOf(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(parsed.Host)
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
