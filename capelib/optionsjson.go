package capelib

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/libcape/libcape/core/attest"
)

// optionsJSON has every name that the options of cape_connect and cape_request_start know; cape.h
// says what each means.
type optionsJSON struct {
	URL              string          `json:"url"`
	Function         string          `json:"function"`
	Policy           json.RawMessage `json:"policy"`
	Token            string          `json:"token"`
	TokenType        TokenType       `json:"token_type"`
	AttestationRoots *string         `json:"attestation_roots"`
	TLSCA            *string         `json:"tls_ca"`
	InsecureWS       bool            `json:"insecure_ws"`
	Proxy            string          `json:"proxy"`
	TimeoutMS        uint32          `json:"timeout_ms"`
	Reconnect        bool            `json:"reconnect"`
	SignedResults    bool            `json:"signed_results"`

	Request     string    `json:"request"`
	User        string    `json:"user"`
	Path        string    `json:"path"`
	Name        string    `json:"name"`
	Public      bool      `json:"public"`
	Limit       *int      `json:"limit"`
	Offset      int       `json:"offset"`
	ID          string    `json:"id"`
	Description string    `json:"description"`
	Expiry      time.Time `json:"expiry"`
}

// Names that options have in common: with any service, and with one that attests.
const (
	serviceNames  = "url token tls_ca insecure_ws proxy timeout_ms"
	attestedNames = serviceNames + " policy token_type attestation_roots"
	connectNames  = attestedNames + " function reconnect signed_results"
)

// ParseOptions reads the options of cape_connect in JSON; cape.h lists the names. Unknown and
// duplicate names are refused.
func ParseOptions(options []byte) (Options, error) {
	parsed, err := parseOptionsJSON(options, func(string) (string, error) { return connectNames, nil })
	if err != nil {
		return Options{}, err
	}
	return parsed.options()
}

// parseOptionsJSON reads options of which only the names that allowed lists may be given; it is
// told which request they are for.
func parseOptionsJSON(options []byte, allowed func(request string) (string, error)) (*optionsJSON, error) {
	var parsed optionsJSON
	if err := DecodeJSON(options, &parsed); err != nil {
		return nil, err
	}
	names, err := allowed(parsed.Request)
	if err != nil {
		return nil, err
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(options, &given); err != nil {
		return nil, err
	}
	list := strings.Fields(names)
	unknown := slices.DeleteFunc(slices.Sorted(maps.Keys(given)), func(name string) bool { return slices.Contains(list, name) })
	if len(unknown) > 0 {
		return nil, NewError("argument.options", "the JSON of the options has the name "+strconv.QuoteToASCII(unknown[0])+", which means nothing here: cape.h lists names and types")
	}
	return &parsed, nil
}

// options are those that are Options too.
func (j *optionsJSON) options() (Options, error) {
	o := Options{
		URL: j.URL, Function: j.Function, Token: j.Token, TokenType: j.TokenType,
		AttestationRoots: given(j.AttestationRoots), TLSCA: given(j.TLSCA),
		InsecureWS: j.InsecureWS, Proxy: j.Proxy,
		Timeout: time.Duration(j.TimeoutMS) * time.Millisecond, Reconnect: j.Reconnect, SignedResults: j.SignedResults,
	}
	var err error
	o.Policy, err = parseOptionalPolicy(j.Policy)
	return o, err
}

// given is nil only where an option is absent: what is given but empty, as a file may be, must
// not fall back to what is trusted by default.
func given(text *string) []byte {
	if text == nil {
		return nil
	}
	return []byte(*text)
}

// DecodeJSON reads options in JSON strictly: unknown, repeated and differently spelt names are
// refused, as is anything after the one value. into is a pointer to what encoding/json can fill.
func DecodeJSON(options []byte, into any) error {
	if err := attest.DecodeJSON(options, into); err != nil {
		var refused *attest.Error
		if errors.As(err, &refused) {
			return AsError(refused)
		}
		return NewError("argument.options", "the JSON of the options "+err.Error()+": cape.h lists names and types")
	}
	return nil
}
