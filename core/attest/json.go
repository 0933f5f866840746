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
	"unicode/utf8"
)

// maxJSONDepth bounds nesting, far above what any policy or option needs.
const maxJSONDepth = 32

// CheckJSON reports whether data is exactly one JSON value in valid UTF-8, in which no object
// has a name twice and nothing is nested deeper than 32 levels. encoding/json by itself takes
// the last of several equal names, and so may read another value than the next reader does. The
// error says what is wrong, as the end of a sentence: "has the name ... twice".
func CheckJSON(data []byte) error {
	return scanJSON(data, func(string, []byte) {})
}

// jsonLevel is an object or array that scanJSON is inside of.
type jsonLevel struct {
	object   bool
	wantName bool
	names    []string
}

// scanJSON is CheckJSON, and calls member with each name of the outermost object and its value.
// What is a name, and what a value, is certain only when no error is returned.
func scanJSON(data []byte, member func(name string, value []byte)) error {
	if !utf8.Valid(data) {
		return errors.New("is not valid UTF-8")
	}
	if !json.Valid(data) {
		return errors.New("is not one JSON value")
	}
	var (
		levels [maxJSONDepth]jsonLevel
		depth  int
		name   string // of the outermost object's current member, whose value starts at:
		start  int
	)
	for i := 0; i < len(data); i++ {
		top := &levels[max(depth-1, 0)]
		switch data[i] {
		case '"':
			end := stringEnd(data, i)
			if depth > 0 && top.wantName {
				text := stringContent(data[i:end])
				top.names, top.wantName = append(top.names, text), false
				if depth == 1 {
					name = text
				}
			}
			i = end - 1
		case '{', '[':
			if depth == maxJSONDepth {
				return fmt.Errorf("is nested deeper than %d levels", maxJSONDepth)
			}
			object := data[i] == '{'
			levels[depth] = jsonLevel{object: object, wantName: object, names: levels[depth].names[:0]}
			depth++
		case ':':
			if depth == 1 {
				start = i + 1
			}
		case ',', '}', ']':
			if depth == 1 && top.object && len(top.names) > 0 {
				member(name, bytes.TrimSpace(data[start:i]))
			}
			if data[i] == ',' {
				top.wantName = top.object
				continue
			}
			slices.Sort(top.names)
			for j := 1; j < len(top.names); j++ {
				if top.names[j] == top.names[j-1] {
					return fmt.Errorf("has the name %s twice", quoteName(top.names[j]))
				}
			}
			depth--
		}
	}
	return nil
}

// stringEnd returns the index behind the string of valid JSON that starts at an index.
func stringEnd(data []byte, start int) int {
	for i := start + 1; ; i++ {
		switch data[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
}

// stringContent is what a string of valid JSON says.
func stringContent(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		panic(err) // it was found to be valid
	}
	return text
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
