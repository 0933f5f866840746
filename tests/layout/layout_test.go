// Package layout holds the tests of the project's structure: who may import whom, and what may
// lie where.
package layout

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/libcape/libcape/"
)

// mayImport lists, for each package of the project, what its non-test files may import beside
// the standard library.
var mayImport = map[string][]string{
	"core/attest":          {"github.com/fxamacker/cbor/v2", "github.com/cloudflare/circl/ecc/p384"},
	"core/capekey":         {},
	"core/hpke":            {"github.com/cloudflare/circl/hpke", "github.com/cloudflare/circl/kem"},
	"core/serdio":          {"github.com/vmihailenco/msgpack/v5", "github.com/vmihailenco/msgpack/v5/msgpcode"},
	"core/wire":            {"github.com/segmentio/asm/base64"},
	"core/transport":       {"github.com/gorilla/websocket"},
	"core/enclave":         {module + "core/attest", module + "core/capekey", module + "core/enclave/sandbox", module + "core/hpke", module + "core/serdio", module + "core/wire", module + "core/transport", "github.com/fxamacker/cbor/v2"},
	"core/enclave/sandbox": {},
	"core/enclave/store":   {},
	"core/enclave/service": {module + "core/attest", module + "core/capekey", module + "core/enclave", module + "core/enclave/store", module + "core/wire", "github.com/golang-jwt/jwt/v5"},
	"capelib":              {module + "core/attest", module + "core/capekey", module + "core/hpke", module + "core/serdio", module + "core/wire", module + "core/transport"},
	"capelib/cmd/cape":     {module + "capelib", module + "core/attest", module + "core/enclave", module + "core/enclave/service", module + "core/enclave/store", module + "core/wire", "github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/oauth2"},
	"export":               {module + "capelib", module + "core/enclave", module + "include"},
	"include":              {},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func list(t *testing.T, args ...string) []goPackage {
	t.Helper()
	command := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports"}, args...)...)
	command.Dir = root
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p goPackage
		if err := decoder.Decode(&p); err == io.EOF {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func TestPackagesImportOnlyWhatTheirPlaceAllows(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, p := range list(t, "./core/...", "./capelib/...", "./export/...", "./include/...") {
		name := strings.TrimPrefix(p.ImportPath, module)
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("%s has no place in the house: add it to mayImport, with a reason", name)
			continue
		}
		seen++
		for _, imported := range p.Imports {
			if !isStandard(imported) && !slices.Contains(allowed, imported) && imported != "C" {
				t.Errorf("%s imports %s", name, imported)
			}
		}
	}
	if seen != len(mayImport) {
		t.Errorf("%d packages of %d are there", seen, len(mayImport))
	}
}

func TestTheLibraryCarriesNothingThatOnlyTheCommandLineNeeds(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "-deps", "./export") {
		for _, unwanted := range []string{"spf13/", "veraison/", "golang-jwt/", "core/enclave/service", "core/enclave/store", "testing", "os/signal"} {
			if strings.Contains(p.ImportPath, unwanted) && (unwanted != "testing" || p.ImportPath == unwanted) {
				t.Errorf("export depends on %s", p.ImportPath)
			}
		}
	}
}

// sources calls visit with each Go file of the project that is not a test.
func sources(t *testing.T, folders []string, visit func(path string, file *ast.File, set *token.FileSet)) {
	t.Helper()
	count := 0
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			count++
			visit(path, file, set)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if count == 0 {
		t.Fatal("no source files found")
	}
}

func TestCoreLeavesTheProcessAlone(t *testing.T) {
	t.Parallel()
	forbidden := map[string][]string{
		"os":  {"Getenv", "LookupEnv", "Environ", "Setenv", "Exit", "Stdout", "Stderr", "Stdin"},
		"fmt": {"Print", "Println", "Printf"},
		"log": {"Print", "Println", "Printf", "Fatal", "Fatalf", "Panic", "Panicf", "Default"},
	}
	sources(t, []string{"core"}, func(path string, file *ast.File, set *token.FileSet) {
		ast.Inspect(file, func(node ast.Node) bool {
			selector, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			name, ok := selector.X.(*ast.Ident)
			if ok && slices.Contains(forbidden[name.Name], selector.Sel.Name) {
				t.Errorf("%s uses %s.%s", set.Position(selector.Pos()), name.Name, selector.Sel.Name)
			}
			return true
		})
	})
}

func TestFilesStayShort(t *testing.T) {
	t.Parallel()
	const longest = 400
	sources(t, []string{"core", "capelib", "export"}, func(path string, file *ast.File, set *token.FileSet) {
		if lines := set.Position(file.End()).Line; lines > longest {
			t.Errorf("%s has %d lines, of %d: it holds more than one thing", path, lines, longest)
		}
	})
}

func TestNoSuiteIsMissing(t *testing.T) {
	t.Parallel()
	for _, suite := range []string{
		"core/attest/vectors_test.go", "core/capekey/capekey_test.go", "core/enclave/fault_test.go", "core/hpke/hpke_test.go", "core/serdio/vectors_test.go",
		"core/transport/transport_test.go", "core/wire/wire_test.go", "capelib/faults_test.go", "export/handle_test.go",
		"tests/abi/abi_test.go", "tests/install/install_test.go", "tests/process/python_test.go", "tests/soak/soak_test.go",
		"tests/bench/bench_test.go", "tests/ffi-napi/package.json", "tests/c/suite/suite_test.go", "tests/cli/cli_test.go", "tests/script/script_test.go", "tests/readme/readme_test.go", "core/enclave/service/service_test.go", "core/enclave/store/crash_test.go", "tests/service/service_test.go", "tests/protocol/protocol_test.go", "tests/wheel/wheel_test.go",
		"tests/verify/verify_test.go", "tests/cpp/suite/suite_test.go", "tests/install/install_test.go", "tests/demo/main.go", "tests/c/example.c", "tests/cpp/example.cpp", "tests/go/example.go",
		"bindings/python/tests/test_bad_input.py", "bindings/python/tests/test_serdio_vectors.py",
		"bindings/node/test/bad_input.test.ts", "bindings/node/test/serdio_vectors.test.ts",
	} {
		if _, err := os.Stat(filepath.Join(root, suite)); err != nil {
			t.Errorf("a suite is missing: %v", err)
		}
	}
}

func TestTopLevelHoldsNothingElse(t *testing.T) {
	t.Parallel()
	allowed := []string{"go.mod", "go.sum", "Makefile", "README.md", "CHANGELOG.md", "CONTRIBUTING.md",
		"core", "capelib", "export", "include", "bindings", "tests", "build"}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); !strings.HasPrefix(name, ".") && !slices.Contains(allowed, name) {
			t.Errorf("%s does not belong at the top level", name)
		}
	}
}
