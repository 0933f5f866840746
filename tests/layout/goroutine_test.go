package layout

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"
)

// A launch is a way to start a goroutine, in a file of the project.
type launch struct{ file, by string }

// elsewhere argues for each goroutine that does not start through transport.Spawn: why a panic on
// it cannot end the host. count is how many there are in the file.
var elsewhere = map[launch]struct {
	count  int
	reason string
}{
	{"core/transport/spawn.go", "go"}:        {1, "is the helper itself"},
	{"core/transport/spawn.go", "AfterFunc"}: {2, "is the helper itself, for later"},
	{"core/attest/jobs.go", "Go"}:            {1, "recovers by itself, since attest may import nothing of ours"},
}

// launches finds where a file starts goroutines: go statements, and whatever is named Go, as the
// methods of sync.WaitGroup and of errgroup.Group are, or AfterFunc, as in time and context. Also
// those that are not called on the spot, and under whatever name their package is imported.
func launches(file *ast.File) map[string][]token.Pos {
	found := map[string][]token.Pos{}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			found["go"] = append(found["go"], node.Pos())
		case *ast.SelectorExpr:
			if name := node.Sel.Name; name == "Go" || name == "AfterFunc" {
				found[name] = append(found[name], node.Sel.Pos())
			}
		}
		return true
	})
	return found
}

func TestGoroutinesStartInOnePlace(t *testing.T) {
	t.Parallel()
	seen := map[launch]bool{}
	sources(t, []string{"core", "capelib", "export", "include"}, func(path string, file *ast.File, set *token.FileSet) {
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		for by, positions := range launches(file) {
			known := launch{filepath.ToSlash(name), by}
			seen[known] = true
			if allowed := elsewhere[known]; len(positions) != allowed.count {
				t.Errorf("%s starts %d goroutines by %s, of %d argued for: use transport.Spawn, which recovers",
					set.Position(positions[0]), len(positions), by, allowed.count)
			}
		}
	})
	for known, allowed := range elsewhere {
		if !seen[known] {
			t.Errorf("%s starts no goroutine by %s any more, which %s: take it off the list", known.file, known.by, allowed.reason)
		}
	}
}

func TestEveryWayToStartAGoroutineIsFound(t *testing.T) {
	t.Parallel()
	for statement, want := range map[string]string{
		"go run()":                              "go",
		"go func() {}()":                        "go",
		"new(sync.WaitGroup).Go(run)":           "Go",
		"group.Go(func() error { return nil })": "Go",
		"start := group.Go; start(run)":         "Go",
		"time.AfterFunc(0, run)":                "AfterFunc",
		"defer context.AfterFunc(ctx, run)()":   "AfterFunc",
		"later := other.AfterFunc; later(run)":  "AfterFunc",
		"transport.Spawn(run, nil)":             "",
		"group.Wait()":                          "",
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc f() { "+statement+" }", parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for by, positions := range launches(file) {
			got = append(got, slices.Repeat([]string{by}, len(positions))...)
		}
		if want == "" && got != nil || want != "" && !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %q", statement, got, want)
		}
	}
}
