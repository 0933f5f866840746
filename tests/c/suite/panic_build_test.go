package suite

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/libcape/libcape/tests/abi/built"
)

// The library that panics is made of the same source as any other. The tests here look through it
// for every function that C calls and for every start of a goroutine, and put a call of
// sabotage.Here into a copy of the file, which `go build -overlay` takes in its place. So the
// source knows nothing of it, and what is new in the source is found.

// launchers are the calls that start a goroutine, now or later, and which of their arguments runs
// on it.
var launchers = map[string]int{"Spawn": 0, "SpawnAfter": 1, "SpawnWhenDone": 1, "AfterFunc": 1, "Go": 0, "HandlerFunc": 0}

// loops are functions in which goroutines spend their time, though they do not begin there.
var loops = map[string]string{
	"core/enclave/session.go:read": "the reading half of a session, on the goroutine of its HTTP request",
}

// place is somewhere in the source where the library can be made to panic.
type place struct {
	name   string
	export string // the C function behind which it is; empty: it is on a goroutine
	loop   bool   // passed once in each round, not once on each goroutine
}

// sabotaged is the source of the library with places in it.
type sabotaged struct {
	t       *testing.T
	set     *token.FileSet
	files   map[string]*ast.File      // by path within the repository
	edits   map[string]map[int]string // by that path: what to insert at which offset
	places  []place
	counted map[string]int
}

func sabotage(t *testing.T) *sabotaged {
	t.Helper()
	s := &sabotaged{
		t: t, set: token.NewFileSet(), files: map[string]*ast.File{},
		edits: map[string]map[int]string{}, counted: map[string]int{},
	}
	for _, folder := range []string{"core", "capelib", "export"} {
		s.parse(folder)
	}
	for _, path := range slices.Sorted(maps.Keys(s.files)) {
		if path == "core/transport/spawn.go" { // what recovers, itself
			continue
		}
		for _, declared := range s.files[path].Decls {
			if function, ok := declared.(*ast.FuncDecl); ok && function.Body != nil {
				s.function(path, function)
			}
		}
	}
	for name := range loops {
		if s.counted[name+" round"] == 0 {
			t.Errorf("%s is not there, or has no loop: take it off the list", name)
		}
	}
	return s
}

// parse reads the files of a folder that make it into the library.
func (s *sabotaged) parse(folder string) {
	context := build.Default
	context.CgoEnabled = true
	err := filepath.WalkDir(built.Path(folder), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") ||
			strings.Contains(filepath.ToSlash(path), "/cmd/") {
			return err
		}
		if fits, err := context.MatchFile(filepath.Dir(path), entry.Name()); err != nil || !fits {
			return err
		}
		file, err := parser.ParseFile(s.set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(built.Root(), path)
		s.files[filepath.ToSlash(name)] = file
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *sabotaged) function(path string, function *ast.FuncDecl) {
	name := function.Name.Name
	if exported, ok := strings.CutPrefix(name, "cape_go_"); ok && strings.HasPrefix(path, "export/") {
		s.export(path, function, "cape_"+exported)
		return
	}
	if _, listed := loops[path+":"+name]; listed {
		s.rounds(path, path+":"+name, function.Body)
	}
	ast.Inspect(function.Body, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			s.t.Errorf("%s: a go statement, of which this test knows nothing", s.set.Position(node.Pos()))
		case *ast.CallExpr:
			called := node.Fun
			if selector, ok := called.(*ast.SelectorExpr); ok {
				called = selector.Sel
			}
			if identifier, ok := called.(*ast.Ident); ok {
				if argument, ok := launchers[identifier.Name]; ok && argument < len(node.Args) {
					s.goroutine(path, name, node.Args[argument], identifier.Name == "HandlerFunc")
				}
			}
		}
		return true
	})
}

// export puts a place into the function literal that an exported function hands to use, or to
// protect, and makes sure that it does nothing outside.
func (s *sabotaged) export(path string, function *ast.FuncDecl, name string) {
	literals := map[string]*ast.FuncLit{}
	ast.Inspect(function.Body, func(node ast.Node) bool {
		if call, ok := node.(*ast.CallExpr); ok && len(call.Args) > 0 {
			by, _ := call.Fun.(*ast.Ident)
			if literal, ok := call.Args[len(call.Args)-1].(*ast.FuncLit); ok && by != nil {
				literals[by.Name] = literal
			}
		}
		return true
	})
	literal := literals["use"]
	if literal == nil {
		literal = literals["protect"]
	}
	if literal == nil || len(function.Body.List) != 1 {
		s.t.Errorf("%s: %s has to be one return statement, and all it does a function that is handed to use or protect, which recover",
			s.set.Position(function.Pos()), function.Name.Name)
		return
	}
	s.put(path, place{name: name, export: name}, literal.Body)
}

// goroutine puts places where a goroutine begins and into its loops. What it runs is a function
// literal or a method of the same package. own says that nobody else calls that method.
func (s *sabotaged) goroutine(path, within string, run ast.Expr, own bool) {
	switch run := run.(type) {
	case *ast.FuncLit:
		name := path + ":" + within
		s.put(path, place{name: name}, run.Body)
		s.rounds(path, name, run.Body)
	case *ast.SelectorExpr:
		file, method := s.method(path, run.Sel.Name)
		if method == nil {
			s.t.Errorf("%s: no single method %s is in the package", s.set.Position(run.Pos()), run.Sel.Name)
			return
		}
		name := file + ":" + run.Sel.Name
		if _, defers := method.Body.List[0].(*ast.DeferStmt); own || defers {
			s.put(file, place{name: name}, method.Body)
		} else {
			s.wrap(path, place{name: name}, run)
		}
		s.rounds(file, name, method.Body)
	default:
		s.t.Errorf("%s: a goroutine begins in something that is neither a function literal nor a method", s.set.Position(run.Pos()))
	}
}

// method finds a method of the package that a file belongs to.
func (s *sabotaged) method(path, name string) (file string, method *ast.FuncDecl) {
	for other, parsed := range s.files {
		if filepath.Dir(other) != filepath.Dir(path) {
			continue
		}
		for _, declared := range parsed.Decls {
			if function, ok := declared.(*ast.FuncDecl); ok && function.Recv != nil && function.Name.Name == name {
				if method != nil {
					return "", nil
				}
				file, method = other, function
			}
		}
	}
	return file, method
}

// rounds puts places into the outermost loops of a function.
func (s *sabotaged) rounds(path, name string, body *ast.BlockStmt) {
	ast.Inspect(body, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ForStmt:
			s.put(path, place{name: name + " round", loop: true}, node.Body)
			return false
		case *ast.RangeStmt:
			s.put(path, place{name: name + " round", loop: true}, node.Body)
			return false
		}
		return true
	})
}

// put inserts a place at the beginning of a block, after the defer statements it begins with:
// they cannot panic themselves.
func (s *sabotaged) put(path string, p place, body *ast.BlockStmt) {
	at, before, after := body.Lbrace+1, " ", ";"
	for _, statement := range body.List {
		if _, ok := statement.(*ast.DeferStmt); !ok {
			break
		}
		at, before, after = statement.End(), "; ", ""
	}
	s.insert(path, at, before+s.add(p)+after)
}

// wrap has a place in front of a method that is the argument of a call.
func (s *sabotaged) wrap(path string, p place, method *ast.SelectorExpr) {
	s.insert(path, method.Pos(), "func() { "+s.add(p)+"; ")
	s.insert(path, method.End(), "() }")
}

// add names a place and returns the statement that goes there.
func (s *sabotaged) add(p place) string {
	s.counted[p.name]++
	if n := s.counted[p.name]; n > 1 {
		p.name = fmt.Sprintf("%s %d", p.name, n)
	}
	s.places = append(s.places, p)
	return fmt.Sprintf("sabotage.Here(%q)", p.name)
}

func (s *sabotaged) insert(path string, at token.Pos, text string) {
	if s.edits[path] == nil {
		s.edits[path] = map[int]string{}
	}
	s.edits[path][s.set.Position(at).Offset] += text
}

// hook is what C arms a place with.
const hook = `package main

import "C"

import (
	"time"

	"github.com/libcape/libcape/tests/c/sabotage"
)

//export cape_test_stall
func cape_test_stall(place *C.char, milliseconds C.int) {
	sabotage.Stall(C.GoString(place), time.Duration(milliseconds)*time.Millisecond)
}

//export cape_test_panic
func cape_test_panic(place *C.char, nth C.int) C.int {
	return C.int(sabotage.Arm(C.GoString(place), int(nth)))
}
`

// build makes a library of the source with the places in it, as libcape.so in a folder.
func (s *sabotaged) build(folder string) {
	s.t.Helper()
	replace := map[string]string{built.Path("export", "sabotage.go"): s.write(folder, "hook.go", hook)}
	for path, edits := range s.edits {
		source, err := os.ReadFile(built.Path(path))
		if err != nil {
			s.t.Fatal(err)
		}
		edits[s.set.Position(s.files[path].Name.End()).Offset] = `; import "github.com/libcape/libcape/tests/c/sabotage"`
		var text strings.Builder
		last := 0
		for _, at := range slices.Sorted(maps.Keys(edits)) {
			text.Write(source[last:at])
			text.WriteString(edits[at])
			last = at
		}
		text.Write(source[last:])
		replace[built.Path(path)] = s.write(folder, strings.ReplaceAll(path, "/", "-"), text.String())
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		s.t.Fatal(err)
	}
	symbols, err := os.ReadFile(built.Path("export", "libcape.map"))
	if err != nil {
		s.t.Fatal(err)
	}
	script := s.write(folder, "map", strings.Replace(string(symbols), "cape_close;", "cape_close; cape_test_panic; cape_test_stall;", 1))
	buildLibrary(s.t, filepath.Join(folder, "libcape.so"), script, nil, "-overlay="+s.write(folder, "overlay.json", string(overlay)))
}

func (s *sabotaged) write(folder, name, content string) string {
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// buildLibrary makes a shared library as `make build` does, with a version script of its own, and
// with its symbols, for traces.
func buildLibrary(t *testing.T, path, script string, environment []string, flags ...string) {
	t.Helper()
	link := "-Wl,--version-script=" + script + " -Wl,-soname,libcape.so.1 -Wl,-z,now -Wl,--wrap=pthread_getattr_np"
	arguments := append([]string{"build", "-trimpath", "-buildmode=c-shared", "-o", path, "-ldflags", "-w -extldflags \"" + link + "\""}, flags...)
	command := exec.Command("go", append(arguments, "./export")...)
	command.Dir = built.Root()
	command.Env = append(append(os.Environ(), "CGO_ENABLED=1"), environment...)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, output)
	}
	if err := os.Symlink("libcape.so", filepath.Join(filepath.Dir(path), "libcape.so.1")); err != nil {
		t.Fatal(err)
	}
}
