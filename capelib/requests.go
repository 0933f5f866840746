package capelib

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"time"
)

// routes are the requests of cape_request_start: which names their options have beside "request",
// and what to do.
var routes = map[string]struct {
	names string
	do    func(ctx context.Context, o Options, j *optionsJSON, r *Requesting) ([]byte, error)
}{
	"key":          {attestedNames + " user", requestKey},
	"deploy":       {attestedNames + " path name public", requestDeploy},
	"test":         {attestedNames + " path", nil}, // has an input besides
	"list":         {serviceNames + " limit offset", requestList},
	"delete":       {serviceNames + " id", requestDelete},
	"token_create": {serviceNames + " name description function expiry", requestTokenCreate},
	"token_list":   {serviceNames, requestTokenList},
	"token_delete": {serviceNames + " id", requestTokenDelete},
}

func requestKey(ctx context.Context, o Options, j *optionsJSON, _ *Requesting) (key []byte, err error) {
	if j.User != "" {
		key, _, err = UserKey(ctx, o, j.User)
	} else {
		key, _, err = Key(ctx, o)
	}
	return key, err
}

func requestDeploy(ctx context.Context, o Options, j *optionsJSON, r *Requesting) ([]byte, error) {
	deployed, err := Deploy(ctx, o, Deployment{Path: j.Path, Name: j.Name, Public: j.Public, Progress: r.advance})
	if err != nil {
		return nil, err
	}
	return encode(map[string]any{"id": deployed.ID, "name": deployed.Name, "checksum": hex.EncodeToString(deployed.Checksum), "report": deployed.Report})
}

func requestList(ctx context.Context, o Options, j *optionsJSON, _ *Requesting) ([]byte, error) {
	limit := defaultList
	if j.Limit != nil {
		if limit = *j.Limit; limit == 0 { // which is no default here
			limit = -1
		}
	}
	type function struct {
		ID        string    `json:"id"`
		Name      string    `json:"name"`
		CreatedAt time.Time `json:"created_at"`
	}
	records, err := List(ctx, o, limit, j.Offset)
	if err != nil {
		return nil, err
	}
	functions := make([]function, len(records))
	for i, record := range records {
		functions[i] = function{record.ID, record.Name, record.CreatedAt}
	}
	return encode(functions)
}

func requestDelete(ctx context.Context, o Options, j *optionsJSON, _ *Requesting) ([]byte, error) {
	return nil, Delete(ctx, o, j.ID)
}

func requestTokenCreate(ctx context.Context, o Options, j *optionsJSON, _ *Requesting) ([]byte, error) {
	function := o.Function
	o.Function = ""
	token, err := CreateToken(ctx, o, TokenRequest{Name: j.Name, Description: j.Description, Function: function, Expiry: j.Expiry})
	return []byte(token), err
}

func requestTokenList(ctx context.Context, o Options, _ *optionsJSON, _ *Requesting) ([]byte, error) {
	records, err := ListTokens(ctx, o)
	if err != nil {
		return nil, err
	}
	if records == nil {
		records = []TokenRecord{}
	}
	return encode(records)
}

func requestTokenDelete(ctx context.Context, o Options, j *optionsJSON, _ *Requesting) ([]byte, error) {
	return nil, DeleteToken(ctx, o, j.ID)
}

func encode(answer any) ([]byte, error) {
	encoded, err := json.Marshal(answer)
	if err != nil { // a time that RFC 3339 cannot say
		return nil, NewError("protocol.message", "the service's answer has a time that cannot be written down")
	}
	return encoded, nil
}
