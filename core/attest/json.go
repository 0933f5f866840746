package attest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// CheckJSON reports whether data is exactly one JSON value in valid UTF-8, in which no object
// has a name twice and nothing is nested deeper than 32 levels. encoding/json by itself takes
// the last of several equal names, and so may read another value than the next reader does. The
// error says what is wrong, as the end of a sentence: "has the name ... twice".
func CheckJSON(data []byte) error {
	return scanJSON(data, func(string, []byte) {})
}

// DecodeJSON decodes data into a pointer as encoding/json does, but strictly: CheckJSON holds,
// every name is that of a field (which needs a json tag) in the very same letters, and null is
// only taken by json.RawMessage, interfaces and types with an UnmarshalJSON. A pin that a
// template left null would otherwise be no pin. The error is an *Error where an UnmarshalJSON
// returned one, and else the end of a sentence, as for CheckJSON.
func DecodeJSON(data []byte, into any) error {
	if err := CheckJSON(data); err != nil {
		return err
	}
	if err := checkShape(reflect.TypeOf(into), data, ""); err != nil {
		return err
	}
	err := json.Unmarshal(data, into)
	if err == nil {
		return nil
	}
	var fault *Error
	if errors.As(err, &fault) {
		return fault
	}
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return wrongType(mismatch.Field, mismatch.Type)
	}
	return errors.New("is not what was expected")
}

var unmarshalerType = reflect.TypeFor[json.Unmarshaler]()

// checkShape refuses names and nulls that encoding/json would take. path is for the error.
func checkShape(t reflect.Type, raw json.RawMessage, path string) error {
	for t.Kind() == reflect.Pointer && !t.Implements(unmarshalerType) {
		t = t.Elem()
	}
	if t.Kind() == reflect.Interface || t.Implements(unmarshalerType) || reflect.PointerTo(t).Implements(unmarshalerType) {
		return nil
	}
	if isNull(raw) {
		if path == "" {
			return errors.New("is null")
		}
		return fmt.Errorf("has null for %s", quoteName(path))
	}
	switch t.Kind() {
	case reflect.Struct:
		return checkFields(t, raw, path)
	case reflect.Map:
		var members map[string]json.RawMessage
		if json.Unmarshal(raw, &members) != nil {
			return wrongType(path, t)
		}
		for _, name := range slices.Sorted(maps.Keys(members)) { // so that of several faults always the same is told
			if err := checkShape(t.Elem(), members[name], joinPath(path, name)); err != nil {
				return err
			}
		}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return nil // base64 text
		}
		var elements []json.RawMessage
		if json.Unmarshal(raw, &elements) != nil {
			return wrongType(path, t)
		}
		for _, element := range elements {
			if err := checkShape(t.Elem(), element, path); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkFields(t reflect.Type, raw json.RawMessage, path string) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return wrongType(path, t)
	}
	fields := make(map[string]reflect.Type)
	for _, field := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
			fields[name] = field.Type
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		field, ok := fields[name]
		if !ok {
			return fmt.Errorf("has an unknown name %s", quoteName(joinPath(path, name)))
		}
		if err := checkShape(field, members[name], joinPath(path, name)); err != nil {
			return err
		}
	}
	return nil
}

func wrongType(path string, t reflect.Type) error {
	want := map[reflect.Kind]string{
		reflect.Bool: "true or false", reflect.String: "a text", reflect.Struct: "an object",
		reflect.Map: "an object", reflect.Slice: "an array", reflect.Array: "an array",
		reflect.Int64: "an integer", reflect.Int: "an integer",
	}[t.Kind()]
	if want == "" {
		want = "a number"
	}
	if path == "" {
		return fmt.Errorf("is not %s", want)
	}
	return fmt.Errorf("has something other than %s for %s", want, quoteName(path))
}

func joinPath(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// quoteName makes a name that somebody else chose fit for an error text.
func quoteName(name string) string {
	const most = 60
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "..."
	}
	return fmt.Sprintf("%+q", name)
}

func isNull(raw json.RawMessage) bool {
	return string(bytes.TrimSpace(raw)) == "null"
}
