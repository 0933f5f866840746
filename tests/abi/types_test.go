package abi

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/libcape/libcape/include"
)

// A description says how a type is passed, in words that every language's table can be put into:
// "u64" and "i32" for numbers, "byte" for char and uint8_t, "byte[64]" for an array, "pointer to "
// and what it leads to. A struct is described by its layout, such as
// "struct of 16: pointer data at 0, u64 len at 8"; of a pointer within one nothing more is said.
type description = string

// numbers describes the scalar types of the header, as on every 64-bit system with glibc.
var numbers = map[string]description{
	"char": "byte", "uint8_t": "byte", "int32_t": "i32", "uint32_t": "u32", "uint64_t": "u64", "size_t": "u64",
	"cape_handle": "u64",
}

// A member is one of a struct.
type member struct {
	name string
	kind description
}

// structs are those of the header, with their members in order.
func structs(t *testing.T) map[string][]member {
	t.Helper()
	found := map[string][]member{}
	for _, match := range regexp.MustCompile(`(?s)typedef struct (cape_[a-z]+) \{(.*?)\n\} cape_[a-z]+;`).FindAllStringSubmatch(include.Header, -1) {
		body := regexp.MustCompile(`/\*.*?\*/`).ReplaceAllString(match[2], "")
		for _, line := range strings.Split(strings.TrimSpace(body), ";") {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			parts := regexp.MustCompile(`^([a-z0-9_]+) (\*?)([a-z_]+)((?:\[\d+\])?)$`).FindStringSubmatch(line)
			if parts == nil || numbers[parts[1]] == "" {
				t.Fatalf("a member of %s cannot be read: %s", match[1], line)
			}
			kind := numbers[parts[1]] + parts[4]
			if parts[2] != "" {
				kind = "pointer"
			}
			found[match[1]] = append(found[match[1]], member{parts[3], kind})
		}
	}
	if len(found) < 3 || len(found) != strings.Count(include.Header, "typedef struct ") {
		t.Fatalf("the header's structs cannot be read: %v", found)
	}
	return found
}

// A function is one of the header, with what its parameters are.
type function struct {
	name       string
	parameters []description
}

// prototypes are the functions of the header. Structs are described by layouts.
func prototypes(t *testing.T, layouts map[string]description) []function {
	t.Helper()
	var found []function
	for _, match := range regexp.MustCompile(`(?s)\nCAPE_API int32_t (cape_[a-z_]+)\((.*?)\);`).FindAllStringSubmatch(include.Header, -1) {
		declared := function{name: match[1]}
		for _, parameter := range strings.Split(match[2], ",") {
			parts := regexp.MustCompile(`^(?:const )?([a-z0-9_]+) (\*?)[a-z_]+$`).FindStringSubmatch(strings.Join(strings.Fields(parameter), " "))
			if parts == nil {
				t.Fatalf("a parameter of %s cannot be read: %s", match[1], parameter)
			}
			kind := numbers[parts[1]]
			if kind == "" {
				kind = layouts[parts[1]]
			}
			if kind == "" || parts[2] == "" && layouts[parts[1]] != "" {
				t.Fatalf("a parameter of %s has a type that is not known here: %s", match[1], parameter)
			}
			if parts[2] != "" {
				kind = "pointer to " + kind
			}
			declared.parameters = append(declared.parameters, kind)
		}
		found = append(found, declared)
	}
	if len(found) != len(declared(t)) {
		t.Fatalf("%d prototypes of %d can be read", len(found), len(declared(t)))
	}
	return found
}

// layouts describes the structs of the header as the C compiler lays them out.
func layouts(t *testing.T) map[string]description {
	t.Helper()
	var source strings.Builder
	source.WriteString("#include <cape.h>\n#include <stdio.h>\nint main(void)\n{\n")
	members := structs(t)
	for name, list := range members {
		fmt.Fprintf(&source, "    printf(\"%s struct of %%zu:\", sizeof(%s));\n", name, name)
		for i, m := range list {
			fmt.Fprintf(&source, "    printf(\"%s %s %s at %%zu\", offsetof(%s, %s));\n", strings.Repeat(",", min(i, 1)), m.kind, m.name, name, m.name)
			if size := sizes[m.kind]; size != 0 {
				fmt.Fprintf(&source, "    _Static_assert(sizeof(((%s *)0)->%s) == %d, \"%s.%s\");\n", name, m.name, size, name, m.name)
			}
		}
		source.WriteString("    puts(\"\");\n")
	}
	source.WriteString("    return 0;\n}\n")
	found := map[string]description{}
	for _, line := range strings.Split(strings.TrimSpace(compiled(t, source.String())), "\n") {
		name, layout, _ := strings.Cut(line, " ")
		found[name] = layout
	}
	if len(found) != len(members) {
		t.Fatalf("%d structs of %d are described", len(found), len(members))
	}
	return found
}

var sizes = map[description]int{"u32": 4, "i32": 4, "u64": 8, "pointer": strconv.IntSize / 8}

// fits says whether a binding's description of a parameter does for the header's. A pointer to
// void is passed as any other.
func fits(got, want description) bool {
	return got == want || got == "pointer to void" && strings.HasPrefix(want, "pointer to ")
}
