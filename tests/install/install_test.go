// Package install tries what `make install` leaves: as a packager does, who stages it in a folder,
// and as a programmer does, who links against it.
package install

import (
	"bytes"
	"context"
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libcape/libcape/include"
	"github.com/libcape/libcape/tests/abi/built"
)

// A tree is where something was installed.
type tree struct {
	variables []string // of make
	stage     string   // DESTDIR, which may be empty
	prefix    string   // PREFIX
	libdir    string   // LIBDIR
}

func (p tree) path(elements ...string) string {
	return filepath.Join(append([]string{p.stage, p.prefix}, elements...)...)
}

func (p tree) lib(elements ...string) string {
	return filepath.Join(append([]string{p.stage, p.libdir}, elements...)...)
}

// direct installs into a prefix of its own.
func direct(t *testing.T) tree {
	t.Helper()
	prefix := t.TempDir()
	p := tree{[]string{"PREFIX=" + prefix}, "", prefix, prefix + "/lib"}
	p.make(t, "install")
	return p
}

// staged installs as for a package: below another folder, and with a name of its own for the
// folder of libraries.
func staged(t *testing.T) tree { return stagedIn(t, "stage") }

func stagedIn(t *testing.T, name string) tree {
	t.Helper()
	stage := filepath.Join(t.TempDir(), name)
	p := tree{[]string{"DESTDIR=" + stage, "PREFIX=/opt/cape", "LIBDIR=/opt/cape/lib/of-this-machine"}, stage,
		"/opt/cape", "/opt/cape/lib/of-this-machine"}
	p.make(t, "install")
	return p
}

// make runs a target with the variables of the tree and none of a surrounding make.
func (p tree) make(t *testing.T, target string) {
	t.Helper()
	command := exec.Command("make", append([]string{"-s", target}, p.variables...)...)
	command.Dir = built.Root()
	for _, setting := range os.Environ() {
		switch name, _, _ := strings.Cut(setting, "="); name {
		case "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR", "PREFIX", "LIBDIR", "INCLUDEDIR", "BINDIR", "DATADIR":
		default:
			command.Env = append(command.Env, setting)
		}
	}
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("make %s: %v\n%s", target, err, output)
	}
}

// run gives what a command prints, and fails the test unless it ends well and soon. Settings of the
// environment may stand in front of the command.
func run(t *testing.T, folder string, command ...string) string {
	t.Helper()
	output, err := attempt(folder, command...)
	if err != nil {
		t.Fatalf("%q: %v\n%s", command, err, output)
	}
	return output
}

func attempt(folder string, command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	process := exec.CommandContext(ctx, "env", command...)
	process.Dir = folder
	var output, complaints bytes.Buffer
	process.Stdout, process.Stderr = &output, &complaints
	err := process.Run()
	return output.String() + complaints.String(), err
}

// version is that of the header.
func version(t *testing.T) string {
	t.Helper()
	numbers := regexp.MustCompile(`(?m)^#define CAPE_VERSION_[A-Z]+ (\d+)`).FindAllStringSubmatch(include.Header, -1)
	if len(numbers) != 3 {
		t.Fatal(numbers)
	}
	return numbers[0][1] + "." + numbers[1][1] + "." + numbers[2][1]
}

// files lists what lies in a folder, but for folders.
func files(t *testing.T, folder string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			path, err = filepath.Rel(folder, path)
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEachFileLiesWhereItIsLookedFor(t *testing.T) {
	t.Parallel()
	p := stagedIn(t, "a stage")
	want := []string{"bin/cape", "include/cape.h", "include/cape.hpp",
		"lib/of-this-machine/cmake/cape/capeConfig.cmake", "lib/of-this-machine/cmake/cape/capeConfigVersion.cmake",
		"lib/of-this-machine/libcape.so", "lib/of-this-machine/libcape.so." + major(t), "lib/of-this-machine/libcape.so." + version(t),
		"lib/of-this-machine/pkgconfig/cape.pc",
		"share/bash-completion/completions/cape", "share/fish/vendor_completions.d/cape.fish",
		"share/zsh/site-functions/_cape"}
	for _, words := range commandLines(t, p) {
		want = append(want, "share/man/man1/"+strings.Join(append([]string{"cape"}, words...), "-")+".1")
	}
	slices.Sort(want)
	if got := files(t, p.path()); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if got := run(t, ".", p.path("bin", "cape"), "--version"); got != "cape version "+version(t)+"\n" {
		t.Errorf("cape --version prints %q", got)
	}
	for _, name := range files(t, p.stage) {
		path := filepath.Join(p.stage, name)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte(p.stage)) {
			t.Errorf("%s knows where it was staged", name)
		}
		if strings.HasSuffix(name, ".pc") || strings.HasSuffix(name, ".cmake") {
			if left := regexp.MustCompile(`@\w+@`).Find(content); left != nil {
				t.Errorf("%s still has %s", name, left)
			}
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		program := name == "opt/cape/bin/cape" || strings.Contains(name, "libcape.so")
		if mode := info.Mode().Perm(); program && mode != 0o755 || !program && mode != 0o644 {
			t.Errorf("%s has mode %v", name, mode)
		}
	}
}

func major(t *testing.T) string {
	first, _, _ := strings.Cut(version(t), ".")
	return first
}

func TestTheLibraryHasItsLinks(t *testing.T) {
	t.Parallel()
	p := direct(t)
	soname := "libcape.so." + major(t)
	for link, want := range map[string]string{"libcape.so": soname, soname: "libcape.so." + version(t)} {
		if got, err := os.Readlink(p.lib(link)); err != nil || got != want {
			t.Errorf("%s leads to %s (%v), want %s", link, got, err, want)
		}
	}
	info, err := os.Lstat(p.lib("libcape.so." + version(t)))
	if err != nil || !info.Mode().IsRegular() {
		t.Errorf("libcape.so.%s: %v %v", version(t), info, err)
	}
	library, err := elf.Open(p.lib("libcape.so"))
	if err != nil {
		t.Fatal(err)
	}
	defer library.Close()
	if name, err := library.DynString(elf.DT_SONAME); err != nil || !slices.Equal(name, []string{soname}) {
		t.Errorf("SONAME %q (%v), want %s: ldconfig would make another link", name, err, soname)
	}
}

func TestUninstallLeavesNothingAndTakesNothingElse(t *testing.T) {
	t.Parallel()
	for name, install := range map[string]func(*testing.T) tree{"staged": staged, "direct": direct} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := install(t)
			var others []string
			for _, path := range []string{p.path("bin", "cape2"), p.lib("libcape.so.0"), p.path("share", "man", "man1", "cape-town.1"),
				p.lib("cmake", "caper", "x.cmake")} {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, nil, 0o644); err != nil {
					t.Fatal(err)
				}
				relative, err := filepath.Rel(p.path(), path)
				if err != nil {
					t.Fatal(err)
				}
				others = append(others, relative)
			}
			slices.Sort(others)
			for range 2 { // the second time there is nothing to do
				p.make(t, "uninstall")
				if got := files(t, p.path()); !slices.Equal(got, others) {
					t.Errorf("left are %q, want %q", got, others)
				}
			}
			if _, err := os.Stat(p.lib("cmake", "cape")); !os.IsNotExist(err) {
				t.Errorf("the folder of the CMake package is left: %v", err)
			}
		})
	}
}

func TestInstallSaysThatNothingWasBuilt(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"Makefile", "include/cape.h"} {
		content, err := os.ReadFile(built.Path(name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	output, err := attempt(folder, "-u", "MAKEFLAGS", "make", "-s", "install", "DESTDIR="+folder+"/stage")
	if err == nil || !strings.Contains(output, "run make build first") {
		t.Errorf("%v: %s", err, output)
	}
	if _, err := os.Stat(folder + "/stage"); !os.IsNotExist(err) {
		t.Error("it began to install")
	}
}
