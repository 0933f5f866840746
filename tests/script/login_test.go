package script

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
)

// issuer is one that has the device flow. What it does is the word that the client id is.
func issuer() *httptest.Server {
	var polls atomic.Int32
	answer := func(w http.ResponseWriter, status int, body map[string]any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	refuse := func(w http.ResponseWriter, code string) {
		answer(w, http.StatusForbidden, map[string]any{"error": code, "error_description": "about " + code})
	}
	tokens := func(w http.ResponseWriter, seconds int) {
		answer(w, http.StatusOK, map[string]any{
			"access_token": master(), "token_type": "Bearer", "refresh_token": "refresh-me", "expires_in": seconds,
			// The claim nickname is ann.
			"id_token": "e30.eyJuaWNrbmFtZSI6ImFubiJ9.c2lnbmVk",
		})
	}
	routes := http.NewServeMux()
	routes.HandleFunc("POST /oauth/device/code", func(w http.ResponseWriter, r *http.Request) {
		switch client := r.FormValue("client_id"); {
		case client == "page":
			_, _ = w.Write([]byte("<html>"))
		case client == "redirect":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case r.FormValue("scope") != "openid profile email offline_access" || !strings.HasPrefix(r.FormValue("audience"), "https://"):
			refuse(w, "invalid_request")
		default:
			answer(w, http.StatusOK, map[string]any{"device_code": "device", "user_code": "ABCD-EFGH",
				"verification_uri": "https://issuer.example/activate", "verification_uri_complete": "https://issuer.example/activate?code=ABCD-EFGH",
				"expires_in": 900, "interval": 1})
		}
	})
	routes.HandleFunc("POST /oauth/token", func(w http.ResponseWriter, r *http.Request) {
		client := r.FormValue("client_id")
		switch r.FormValue("grant_type") {
		case "refresh_token":
			if r.FormValue("refresh_token") != "refresh-me" {
				refuse(w, "invalid_grant")
				return
			}
			tokens(w, 86400)
		case "urn:ietf:params:oauth:grant-type:device_code":
			switch {
			case r.FormValue("device_code") != "device":
				refuse(w, "invalid_grant")
			case client == "denied":
				refuse(w, "access_denied")
			case client == "expired":
				refuse(w, "expired_token")
			case client == "waits" && polls.Add(1) == 1:
				refuse(w, "authorization_pending")
			case client == "short":
				tokens(w, 1)
			default:
				tokens(w, 86400)
			}
		default:
			refuse(w, "unsupported_grant_type")
		}
	})
	return httptest.NewServer(routes)
}
