package attest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// maxJSONDepth bounds nesting, far above what any policy or option needs.
const maxJSONDepth = 32

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
