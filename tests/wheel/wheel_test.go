// Package wheel tests what make wheel makes: the Python packages as wheels with the native library
// inside, and their source distribution.
package wheel

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/libcape/libcape/tests/abi/built"
)

// machines are the kinds of processor, as the tag of a wheel has them.
var machines = map[string]elf.Machine{"x86_64": elf.EM_X86_64, "aarch64": elf.EM_AARCH64}

var named = regexp.MustCompile(`^libcape-[0-9.]+-py3-none-manylinux_2_(\d+)_(x86_64|aarch64)\.whl$`)

// made lists what make wheel has made, by a pattern.
func made(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(built.Path("build/wheels/" + pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("there is no build/wheels/%s (%v): run make wheel first", pattern, err)
	}
	return paths
}

// inside returns a file of a wheel.
func inside(t *testing.T, wheel, name string) []byte {
	t.Helper()
	archive, err := zip.OpenReader(wheel)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = archive.Close() }()
	file, err := archive.Open(name)
	if err != nil {
		t.Fatalf("%s: %v", wheel, err)
	}
	content, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func library(t *testing.T, wheel string) *elf.File {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(inside(t, wheel, "pycape/libcape.so")))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTheTagOfAWheelSaysWhatItsLibraryNeeds(t *testing.T) {
	t.Parallel()
	for _, wheel := range made(t, "*.whl") {
		tag := named.FindStringSubmatch(filepath.Base(wheel))
		if tag == nil {
			t.Errorf("%s has another name than a wheel for manylinux", wheel)
			continue
		}
		file := library(t, wheel)
		if file.Machine != machines[tag[2]] {
			t.Errorf("%s has a library for %v", wheel, file.Machine)
		}
		symbols, err := file.ImportedSymbols()
		if err != nil {
			t.Fatal(err)
		}
		needed := 0
		for _, symbol := range symbols {
			if minor, found := strings.CutPrefix(symbol.Version, "GLIBC_2."); found {
				minor, _, _ = strings.Cut(minor, ".")
				number, err := strconv.Atoi(minor)
				if err != nil {
					t.Fatal(err)
				}
				needed = max(needed, number)
			}
		}
		if tag[1] != strconv.Itoa(needed) {
			t.Errorf("%s has a library that needs glibc 2.%d", wheel, needed)
		}
		libraries, err := file.ImportedLibraries()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range libraries {
			if name != "libc.so.6" && !strings.HasPrefix(name, "ld-linux-") {
				t.Errorf("%s has a library that needs %s", wheel, name)
			}
		}
	}
}

func TestAWheelIsSmall(t *testing.T) {
	t.Parallel()
	for _, wheel := range made(t, "*.whl") {
		info, err := os.Stat(wheel)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() >= 8_000_000 {
			t.Errorf("%s has %d bytes", wheel, info.Size())
		}
		for _, section := range library(t, wheel).Sections {
			if section.Name == ".symtab" || strings.HasPrefix(section.Name, ".debug") {
				t.Errorf("%s has a library that is not stripped of %s", wheel, section.Name)
			}
		}
	}
}

func TestAWheelHoldsThePackagesAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, wheel := range made(t, "*.whl") {
		archive, err := zip.OpenReader(wheel)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, file := range archive.File {
			top, _, _ := strings.Cut(file.Name, "/")
			names = append(names, file.Name)
			if top != "pycape" && top != "serdio" && !strings.HasSuffix(top, ".dist-info") {
				t.Errorf("%s holds %s", wheel, file.Name)
			}
		}
		if err := archive.Close(); err != nil {
			t.Fatal(err)
		}
		for _, wanted := range packaged(t) {
			if !slices.Contains(names, wanted) {
				t.Errorf("%s lacks %s", wheel, wanted)
			}
		}
	}
}

// packaged lists the files of both packages, as git knows them.
func packaged(t *testing.T) []string {
	t.Helper()
	command := exec.Command("git", "ls-files", "pycape", "serdio")
	command.Dir = built.Path("bindings/python")
	output, err := command.Output()
	if err != nil {
		t.Skipf("this needs git and a checkout: %v", err)
	}
	return strings.Fields(string(output))
}

// A place is an environment for Python with nothing in it.
type place struct{ bin string }

// empty makes one, for the Python that the tests use. The pip that fills it lies elsewhere.
func empty(t *testing.T) place {
	t.Helper()
	folder := t.TempDir()
	if output, err := exec.Command(built.Python(t), "-m", "venv", "--without-pip", folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	bin := filepath.Join(folder, "bin")
	link(t, bin, "pip", built.Path("build/packing/bin/pip"))
	return place{bin}
}

func link(t *testing.T, bin, name, target string) {
	t.Helper()
	if err := os.Symlink(target, filepath.Join(bin, name)); err != nil {
		t.Fatal(err)
	}
}

// tool makes a tool of this machine available there.
func (p place) tool(t *testing.T, name string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	link(t, p.bin, name, path)
}

// run runs shell commands in the project's folder, with nothing in PATH but what is in the place,
// and no package from the network.
func (p place) run(t *testing.T, commands string, environment ...string) (string, error) {
	t.Helper()
	command := exec.Command("/bin/sh", "-e", "-c", commands)
	command.Dir = built.Path(".")
	command.Env = append([]string{
		"HOME=" + t.TempDir(), "PATH=" + p.bin, "PYTHONNOUSERSITE=1", "PIP_PYTHON=" + filepath.Join(p.bin, "python"),
		"PIP_CONFIG_FILE=/dev/null", "PIP_NO_INDEX=1", "PIP_NO_CACHE_DIR=1", "PIP_FIND_LINKS=" + built.Path("build/packing/house"),
	}, environment...)
	output, err := command.CombinedOutput()
	return string(output), err
}

// block returns the only block of shell commands of a page that begins in this way.
func block(t *testing.T, page, first string) string {
	t.Helper()
	text, err := os.ReadFile(built.Path("bindings/python/docs/" + page))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?ms)^```sh\n("+regexp.QuoteMeta(first)+".*?)^```$").FindAllSubmatch(text, -1)
	if len(found) != 1 {
		t.Fatalf("%s has %d blocks that begin with %q", page, len(found), first)
	}
	return string(found[0][1])
}

func TestWhatIsInstalledRunsTheDemonstrationWithoutGo(t *testing.T) {
	t.Parallel()
	made(t, "*.whl")
	p := empty(t)
	output, err := p.run(t, block(t, "index.md", "pip install"))
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	for _, wanted := range []string{
		`(?m)^verdict +accepted: parse, signature, chain, time, nonce, policy hold$`,
		`(?m)^signed by +[0-9a-f]{64}, `,
		`(?m)^checksum +[0-9a-f]{64}, `,
		`(?m)^PCR0 +[0-9a-f]{96}$`,
		`(?m)^result +pythagorean\(3, 4\) = 5, `,
		`(?m)^refused +.*: policy\.function_checksum$`,
	} {
		if !regexp.MustCompile(wanted).MatchString(output) {
			t.Errorf("it prints nothing like %s: %s", wanted, output)
		}
	}
	output, err = p.run(t, `python -c "from pycape import _library; print(_library.load()[1])"`)
	if site := filepath.Dir(p.bin); err != nil || !strings.HasPrefix(output, site) || !strings.HasSuffix(output, "site-packages/pycape/libcape.so\n") {
		t.Errorf("the library is not that of the wheel (%v): %s", err, output)
	}
}

// The wheel is made again from the source distribution alone, in another folder.
func TestTheSourceDistributionBuildsTheSameWheel(t *testing.T) {
	t.Parallel()
	source := made(t, "*.tar.gz")[0]
	p := empty(t)
	folder := t.TempDir()
	path := p.bin + ":" + built.Path("build/packing/bin") + ":" + os.Getenv("PATH")
	environment := []string{"PATH=" + path, "SOURCE_DATE_EPOCH=" + epoch(t, source)}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		environment = append(environment, name+"="+strings.TrimSpace(string(value)))
	}
	output, err := p.run(t, fmt.Sprintf("umask 022; pip wheel --no-deps --wheel-dir %[1]s/raw %[2]s; auditwheel repair --wheel-dir %[1]s %[1]s/raw/*.whl",
		folder, source), environment...)
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	again, err := filepath.Glob(folder + "/*.whl")
	if err != nil || len(again) != 1 {
		t.Fatalf("it made %q (%v): %s", again, err, output)
	}
	first := built.Path("build/wheels/" + filepath.Base(again[0]))
	if !bytes.Equal(read(t, first), read(t, again[0])) {
		t.Errorf("%s and %s differ, and so do the libraries: %v", first, again[0],
			!bytes.Equal(inside(t, first, "pycape/libcape.so"), inside(t, again[0], "pycape/libcape.so")))
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// epoch is the time that a source distribution was made for, which stands in its head (RFC 1952,
// section 2.3).
func epoch(t *testing.T, source string) string {
	t.Helper()
	head := read(t, source)[4:8]
	return strconv.Itoa(int(head[0]) | int(head[1])<<8 | int(head[2])<<16 | int(head[3])<<24)
}

// It is made again from what it holds.
func TestTheSourceDistributionIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	source := made(t, "*.tar.gz")[0]
	folder := t.TempDir()
	if output, err := exec.Command("tar", "-xzf", source, "-C", folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	unpacked := filepath.Join(folder, strings.TrimSuffix(filepath.Base(source), ".tar.gz"))
	command := exec.Command(built.Path("build/packing/bin/python"), "-m", "build", "--no-isolation", "--sdist", "--outdir", folder, unpacked)
	command.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+epoch(t, source))
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if !bytes.Equal(read(t, source), read(t, filepath.Join(folder, filepath.Base(source)))) {
		t.Error("two of the same sources differ")
	}
}

func TestTheSourceDistributionSaysThatItNeedsGo(t *testing.T) {
	t.Parallel()
	source := made(t, "*.tar.gz")[0]
	p := empty(t)
	p.tool(t, "make")
	p.tool(t, "cc")
	output, err := p.run(t, "pip install "+source)
	const said = "\n      libcape is built from source here, and needs Go 1.26 or later in PATH: install that, or a wheel for this system\n"
	if err == nil || !strings.Contains(output, said) {
		t.Errorf("%v: %s", err, output)
	}
	if strings.Contains(output, "Traceback") {
		t.Errorf("it ends with a traceback: %s", output)
	}
}
