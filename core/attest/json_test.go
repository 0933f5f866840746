package attest

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestCheckJSONTakesOneValueWithEachNameOnce(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`null`, `"text"`, ` 1e3 `, `[]`, `{}`, `[{"a":1},{"a":2}]`, `{"a":{"a":{"a":[]}},"A":1,"á":2}`,
		`{"a,b":"}\"]","c":["\\",{"d":":"}]}`, `{"":0}`,
		strings.Repeat("[", maxJSONDepth) + strings.Repeat("]", maxJSONDepth),
	} {
		if err := CheckJSON([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		``:                           "is not one JSON value",
		` `:                          "is not one JSON value",
		`{} {}`:                      "is not one JSON value",
		`{},`:                        "is not one JSON value",
		`{"a":1,}`:                   "is not one JSON value",
		`[1,]`:                       "is not one JSON value",
		`{'a':1}`:                    "is not one JSON value",
		`// {}`:                      "is not one JSON value",
		`01`:                         "is not one JSON value",
		`NaN`:                        "is not one JSON value",
		"\ufeff{}":                   "is not one JSON value",
		"\"\x00\"":                   "is not one JSON value",
		"\"\xff\"":                   "is not valid UTF-8",
		`{"a":1,"a":1}`:              `has the name "a" twice`,
		`{"a":1,"b":2,"\u0061":1}`:   `has the name "a" twice`,
		`[0,{"x":{"b":1,"b":[]}}]`:   `has the name "b" twice`,
		`{"a":{"b":1},"c":1,"a":{}}`: `has the name "a" twice`,
		`{"` + strings.Repeat("é", 99) + `":1,"` + strings.Repeat("é", 99) + `":1}`: `has the name "` + strings.Repeat(`\u00e9`, 30) + `..." twice`,
		strings.Repeat("[", maxJSONDepth+1) + strings.Repeat("]", maxJSONDepth+1):   "is nested deeper than 32 levels",
		strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40):                 "is nested deeper than 32 levels",
	} {
		if err := CheckJSON([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestDecodeJSONTakesOnlyExactNamesAndNoNull(t *testing.T) {
	t.Parallel()
	type inner struct {
		N int `json:"n"`
	}
	type options struct {
		Text  string            `json:"text"`
		List  []inner           `json:"list,omitempty"`
		Map   map[string]inner  `json:"map"`
		Ptr   *bool             `json:"ptr"`
		Raw   json.RawMessage   `json:"raw"`
		Bytes []byte            `json:"bytes"`
		Any   any               `json:"any"`
		Skip  string            `json:"-"`
		Names map[string]string `json:"names"`
		Pol   *Policy           `json:"policy"`
	}
	var got options
	good := `{"text":"t","list":[{"n":1}],"map":{"N":{"n":2}},"ptr":true,"raw":null,"bytes":"AA==","any":null,"names":{"Text":"x"},"policy":"any"}`
	if err := DecodeJSON([]byte(good), &got); err != nil {
		t.Fatal(err)
	}
	if got.Text != "t" || got.List[0].N != 1 || got.Map["N"].N != 2 || !*got.Ptr || string(got.Raw) != "null" || len(got.Bytes) != 1 || !got.Pol.Any {
		t.Errorf("%+v", got)
	}
	for text, want := range map[string]string{
		`{"Text":"t"}`:                          `has an unknown name "Text"`,
		`{"TEXT":"t"}`:                          `has an unknown name "TEXT"`,
		`{"Skip":"t"}`:                          `has an unknown name "Skip"`,
		`{"-":"t"}`:                             `has an unknown name "-"`,
		`{"list":[{"N":1}]}`:                    `has an unknown name "list.N"`,
		`{"map":{"a":{"m":1}}}`:                 `has an unknown name "map.a.m"`,
		`{"text":null}`:                         `has null for "text"`,
		`{"ptr":null}`:                          `has null for "ptr"`,
		`{"list":[null]}`:                       `has null for "list"`,
		`{"map":{"a":null}}`:                    `has null for "map.a"`,
		`{"bytes":null}`:                        `has null for "bytes"`,
		`null`:                                  `is null`,
		`[]`:                                    `is not an object`,
		`"x"`:                                   `is not an object`,
		`{"text":1}`:                            `has something other than a text for "text"`,
		`{"list":{}}`:                           `has something other than an array for "list"`,
		`{"map":[]}`:                            `has something other than an object for "map"`,
		`{"ptr":"true"}`:                        `has something other than true or false for "ptr"`,
		`{"list":[{"n":1.5}]}`:                  `has something other than an integer for "list.n"`,
		`{"list":[{"n":99999999999999999999}]}`: `has something other than an integer for "list.n"`,
		`{"text":"a","text":"b"}`:               `has the name "text" twice`,
		`{"text":"a"}x`:                         `is not one JSON value`,
		`{"bytes":"?"}`:                         `is not what was expected`,
	} {
		var into options
		if err := DecodeJSON([]byte(text), &into); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	var fault *Error
	if err := DecodeJSON([]byte(`{"policy":{}}`), &got); !errors.As(err, &fault) || fault.Reason != "argument.policy_empty" {
		t.Errorf("an empty policy within other options: %v", err)
	}
}
