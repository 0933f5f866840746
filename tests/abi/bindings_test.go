package abi

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/libcape/libcape/include"
	"github.com/libcape/libcape/tests/abi/built"
)

// A table is what a binding says about the C interface when it runs.
type table struct {
	Functions map[string][]description // the parameters, and last the result
	Codes     map[string]int           // by name, where the binding has names for them
	Version   string                   // that the binding's own call of cape_version gives
}

// pythonTable describes the functions as ctypes will call them, after pycape has loaded the library.
const pythonTable = `
import ctypes, json
from pycape import _ffi, errors

def kind(c):
    if c is None: return "void"
    if issubclass(c, ctypes.Structure):
        members = [f"{'pointer' if kind(t).startswith('pointer') else kind(t)} {n} at {getattr(c, n).offset}" for n, t in c._fields_]
        return f"struct of {ctypes.sizeof(c)}: " + ", ".join(members)
    if issubclass(c, ctypes.Array): return f"{kind(c._type_)}[{c._length_}]"
    if issubclass(c, ctypes._Pointer): return "pointer to " + kind(c._type_)
    if c is ctypes.c_char_p: return "pointer to byte"
    if c is ctypes.c_void_p: return "pointer to void"
    if c._type_ in "cbB": return "byte"
    return ("u" if c._type_.isupper() else "i") + str(8 * ctypes.sizeof(c))

lib = _ffi._lib()
functions = {}
for name in _ffi.SIGNATURES:
    function = getattr(lib, name)
    assert function.argtypes is not None, name
    functions[name] = [kind(t) for t in (*function.argtypes, function.restype)]
version = [ctypes.c_uint32() for _ in range(3)]
lib.cape_version(*version, None)
for code, cls in errors._BY_CODE.items():
    assert type(errors.error_for(code, "reason", "message")) is cls and errors.error_for(code, "", "").code == code, code
print(json.dumps({"functions": functions, "codes": {"code " + str(code): code for code in errors._BY_CODE},
                  "version": ".".join(str(n.value) for n in version)}))
`

// nodeTable notes what the package declares to koffi when it loads the library.
const nodeTable = `
import { createRequire } from "node:module";

// The package is CommonJS within.
const koffi = createRequire(import.meta.url)("koffi");

function kind(type) {
  const t = koffi.type(type);
  switch (t.primitive) {
    case "Void": return "void";
    case "Pointer": return "pointer to " + kind(t.ref);
    case "String": return "pointer to byte";
    case "Array": return kind(t.ref) + "[" + t.length + "]";
    case "Record": return "struct of " + t.size + ": " + Object.values(t.members).map((m) => {
      const k = kind(m.type);
      return (k.startsWith("pointer") ? "pointer" : k) + " " + m.name + " at " + m.offset;
    }).join(", ");
    case "Int8": case "UInt8": return "byte";
  }
  return (t.primitive.startsWith("U") ? "u" : "i") + 8 * t.size;
}

const functions = {};
let version = "";
const load = koffi.load;
koffi.load = (path) => {
  const library = load(path);
  return {
    func(name, result, parameters) {
      functions[name] = [...parameters.map(kind), kind(result)];
      const found = library.func(name, result, parameters);
      if (name === "cape_version") {
        const parts = [[0], [0], [0]];
        found(...parts, null);
        version = parts.join(".");
      }
      return found;
    },
  };
};
const { verify, Code } = await import(process.env.PACKAGE);
await verify(new Uint8Array(1), { policy: "any" }).catch(() => {});
console.log(JSON.stringify({ functions, codes: Code, version }));
`

// tables asks both bindings.
var tables = map[string]func(t *testing.T) table{
	"Python": func(t *testing.T) table {
		return asked(t, exec.Command(built.Python(t), "-c", pythonTable))
	},
	"Node": func(t *testing.T) table {
		// Within the package, so that koffi is the one that it uses.
		script, err := os.CreateTemp(built.Path("bindings", "node", "dist"), ".abi-*.mjs")
		if err != nil {
			t.Fatalf("%v: run make bindings", err)
		}
		t.Cleanup(func() { _ = os.Remove(script.Name()) })
		_, err = script.WriteString(nodeTable)
		if err = errors.Join(err, script.Close()); err != nil {
			t.Fatal(err)
		}
		command := exec.Command("node", script.Name())
		command.Env = append(os.Environ(), "PACKAGE="+built.Path("bindings", "node", "dist", "index.js"))
		return asked(t, command)
	},
}

func asked(t *testing.T, command *exec.Cmd) table {
	t.Helper()
	command.Env = append(command.Environ(), "CAPE_LIBRARY="+built.Library(t))
	var complaints bytes.Buffer
	command.Stderr = &complaints
	output, err := command.Output()
	var found table
	if err == nil {
		err = json.Unmarshal(output, &found)
	}
	if err != nil {
		t.Fatalf("%s cannot be asked: %v\n%s", filepath.Base(command.Path), err, complaints.Bytes())
	}
	return found
}

func TestBindingsCallEveryFunctionAsItIsDeclared(t *testing.T) {
	t.Parallel()
	layouts := layouts(t)
	for language, ask := range tables {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			functions, described := ask(t).Functions, map[description]bool{}
			for _, declared := range prototypes(t, layouts) {
				got, known := functions[declared.name]
				delete(functions, declared.name)
				if !known {
					t.Errorf("%s is not in the table", declared.name)
					continue
				}
				want := slices.Concat(declared.parameters, []description{"i32"})
				if !slices.EqualFunc(got, want, fits) {
					t.Errorf("%s:\n got %q\nwant %q", declared.name, got, want)
				}
				for _, parameter := range got {
					described[parameter] = true
				}
			}
			for name := range functions {
				t.Errorf("%s is not in the header", name)
			}
			for name, layout := range layouts {
				if !described["pointer to "+layout] {
					t.Errorf("nothing in the table has the layout of %s, %s", name, layout)
				}
			}
		})
	}
}

func TestBindingsKnowEveryErrorCode(t *testing.T) {
	t.Parallel()
	want := map[string]int{}
	for _, match := range regexp.MustCompile(`(?m)^#define CAPE_E_([A-Z]+) \((-\d+)\)`).FindAllStringSubmatch(include.Header, -1) {
		want[match[1]], _ = strconv.Atoi(match[2])
	}
	for language, ask := range tables {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			got := ask(t).Codes
			if language == "Python" { // which has classes and no names
				wantEqual(t, "codes", sorted(got), sorted(want))
			} else if !maps.Equal(got, want) {
				t.Errorf("codes %v, want %v", got, want)
			}
		})
	}
}

func sorted(codes map[string]int) []string {
	var list []string
	for _, code := range codes {
		list = append(list, strconv.Itoa(code))
	}
	slices.Sort(list)
	return list
}

func TestBindingsHaveTheVersionOfTheHeader(t *testing.T) {
	t.Parallel()
	want := macro(t, "CAPE_VERSION_MAJOR") + "." + macro(t, "CAPE_VERSION_MINOR") + "." + macro(t, "CAPE_VERSION_PATCH")
	for language, ask := range tables {
		if got := ask(t).Version; got != want {
			t.Errorf("the library that %s loads has version %q, the header %s: run make build", language, got, want)
		}
	}
	// That of Python is read out of the header when the package is built, so ask what was installed.
	output, err := exec.Command(built.Python(t), "-c", "import importlib.metadata as m; print(m.version('libcape'))").Output()
	if python := strings.TrimSpace(string(output)); err != nil || python != want {
		t.Errorf("the Python package has version %q (%v), the header %s: after a change run make bindings", python, err, want)
	}
	var node struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal([]byte(read(t, "bindings", "node", "package.json")), &node); err != nil || node.Version != want {
		t.Errorf("package.json has version %q (%v), the header %s", node.Version, err, want)
	}
}
