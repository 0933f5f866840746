package capelib

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/libcape/libcape/core/wire"
)

// maxTokenAnswer bounds the answer to the making of a token, in bytes.
const maxTokenAnswer = 64 << 10

// TokenRecord describes a personal access token, but is not the token: that is told only once.
type TokenRecord = wire.TokenRecord

// TokenRequest says what token to make.
type TokenRequest struct {
	Name        string
	Description string
	Function    string    // the id of the one function that it is for; "": any that its owner may run
	Expiry      time.Time // zero: none
}

// CreateToken makes a personal access token, which belongs to whoever the options' token belongs
// to. It is a secret, and cannot be told again. Of the options, Function and Policy are not used.
func CreateToken(ctx context.Context, o Options, r TokenRequest) (string, error) {
	if r.Function != "" {
		if err := checkPart(r.Function, "function's id"); err != nil {
			return "", err
		}
	}
	wanted := wire.TokenRequest{Name: r.Name, Description: r.Description, FunctionID: r.Function}
	if !r.Expiry.IsZero() {
		expiry := r.Expiry.UTC()
		wanted.Expiry = &expiry
	}
	body, err := json.Marshal(wanted)
	if err != nil {
		return "", NewError("argument.options", "the token's expiry is not a year of four digits")
	}
	t, answer, err := o.call(ctx, "/v1/token", restCall{method: http.MethodPost, body: body, limit: maxTokenAnswer})
	if err != nil {
		return "", err
	}
	token, err := wire.DecodeToken(answer)
	if err != nil {
		return "", o.routeError(t, err, nil)
	}
	if _, err := subprotocols(token, AccessToken); err != nil || token == "" {
		return "", NewError("protocol.message", "the service made a token that cannot be sent")
	}
	return token, nil
}

// ListTokens gives the personal access tokens of whoever the options' token belongs to.
func ListTokens(ctx context.Context, o Options) ([]TokenRecord, error) {
	return list[TokenRecord](ctx, o, "/v1/tokens", nil)
}

// DeleteToken revokes a personal access token, by its id.
func DeleteToken(ctx context.Context, o Options, id string) error {
	return remove(ctx, o, "/v1/token/", id)
}
