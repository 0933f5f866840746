package wire

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func zipOf(t *testing.T, folder fs.FS, name string) []byte {
	t.Helper()
	var archive bytes.Buffer
	if err := WriteFunctionZip(&archive, folder, name); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

func rootOf(t *testing.T, folder string) fs.FS {
	t.Helper()
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root.FS()
}

func TestFunctionZipHoldsEveryFileInLexicalOrder(t *testing.T) {
	t.Parallel()
	archive := zipOf(t, fstest.MapFS{
		"b.txt":                 {Data: []byte("b")},
		"app.py":                {Data: []byte("def cape_handler(x): return x\n")},
		"a/z.bin":               {Data: make([]byte, 100_000)},
		"a/b/c":                 {},
		".hidden":               {Data: []byte("h")},
		"__pycache__/app.pyc":   {Data: []byte("p")},
		"a-file":                {Data: []byte("dash sorts before the slash, but directories are walked in place")},
		"emp\u00e9ty/\u20ac.py": {Data: []byte("e")},
	}, "fn")
	files, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files.File {
		names = append(names, file.Name)
		if file.Method != zip.Deflate || file.ModifiedDate != 0 || file.ModifiedTime != 0 || file.ExternalAttrs != 0 || len(file.Extra) > 0 {
			t.Errorf("%s has method %d, a time, a mode or extra fields", file.Name, file.Method)
		}
		content, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, content); err != nil {
			t.Errorf("%s: %v", file.Name, err)
		}
	}
	want := []string{"fn/.hidden", "fn/__pycache__/app.pyc", "fn/a/b/c", "fn/a/z.bin", "fn/a-file", "fn/app.py", "fn/b.txt", "fn/emp\u00e9ty/\u20ac.py"}
	if !slices.Equal(names, want) {
		t.Fatalf("the entries are %q, want %q", names, want)
	}
}

func TestFunctionZipDependsOnContentAlone(t *testing.T) {
	t.Parallel()
	pack := func(mode os.FileMode, at time.Time) []byte {
		folder := t.TempDir()
		path := filepath.Join(folder, "app.py")
		if err := os.WriteFile(path, []byte("x = 1\n"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		return zipOf(t, rootOf(t, folder), "fn")
	}
	one := pack(0o600, time.Unix(1, 0))
	if other := pack(0o755, time.Unix(1e9, 0)); !bytes.Equal(one, other) {
		t.Fatal("mode or time changes the zip")
	}
	// A change here changes the checksum of every function: whoever pins one has to be told.
	const known = "f4ab4ef1787201a13362e6c8dd8ab678d29c4d793838d7a08ba77f9aa84f120f"
	if digest := sha256.Sum256(one); hex.EncodeToString(digest[:]) != known {
		t.Fatalf("the checksum is %x, want %s", digest, known)
	}
}

func TestFunctionZipFollowsLinksToFilesInTheFolder(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writeFile(t, folder, "app.py", "x = 1\n")
	if err := os.Symlink("app.py", filepath.Join(folder, "link.py")); err != nil {
		t.Skip("needs symbolic links: ", err)
	}
	linked := zipOf(t, rootOf(t, folder), "fn")
	plain := zipOf(t, fstest.MapFS{"app.py": {Data: []byte("x = 1\n")}, "link.py": {Data: []byte("x = 1\n")}}, "fn")
	if !bytes.Equal(linked, plain) {
		t.Fatal("a link is not stored as the file")
	}
}

func TestFunctionZipRefusesWhatIsNoFunction(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	writeFile(t, outside, "secret", "s")
	cases := []struct {
		what string
		make func(folder string) error
		want string
	}{
		{"nothing in it", func(string) error { return nil }, "holds no file"},
		{"only folders", func(f string) error { return os.MkdirAll(filepath.Join(f, "a/b"), 0o700) }, "holds no file"},
		{"a link to a folder", func(f string) error {
			if err := os.Mkdir(filepath.Join(f, "real"), 0o700); err != nil {
				return err
			}
			return os.Symlink("real", filepath.Join(f, "link"))
		}, "link is a link to a directory"},
		{"a link out of it", func(f string) error {
			return os.Symlink(filepath.Join(outside, "secret"), filepath.Join(f, "link"))
		}, "link is an absolute link, which may lead out of the folder"},
		{"a relative link out of it", func(f string) error {
			relative, err := filepath.Rel(f, filepath.Join(outside, "secret"))
			if err != nil {
				return err
			}
			return os.Symlink(relative, filepath.Join(f, "link"))
		}, "link is a link out of the folder"},
		{"a link to nothing", func(f string) error { return os.Symlink("nothing", filepath.Join(f, "link")) }, `link is a link to "nothing", which is not there`},
	}
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			if err := c.make(folder); err != nil {
				t.Skip("this system cannot make one: ", err)
			}
			err := WriteFunctionZip(io.Discard, rootOf(t, folder), "fn")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestFunctionZipRefusesAPipe(t *testing.T) {
	t.Parallel()
	folder := fstest.MapFS{"app.py": {}, "pipe": {Mode: fs.ModeNamedPipe}}
	err := WriteFunctionZip(io.Discard, folder, "fn")
	if err == nil || !strings.Contains(err.Error(), "pipe is not a regular file") {
		t.Fatalf("got %v", err)
	}
}

func TestFunctionZipRefusesNamesThatAreNone(t *testing.T) {
	t.Parallel()
	folder := fstest.MapFS{"app.py": {}}
	for _, name := range []string{"", ".", "..", "a/b", "/a", `a\b`} {
		if err := WriteFunctionZip(io.Discard, folder, name); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

func TestFunctionZipReportsAFailedWrite(t *testing.T) {
	t.Parallel()
	folder := fstest.MapFS{"app.py": {Data: make([]byte, 1<<20)}}
	if err := WriteFunctionZip(failingWriter{}, folder, "fn"); err == nil {
		t.Fatal("the failure is not reported")
	}
}

func TestFunctionZipIsBoundedInContent(t *testing.T) {
	t.Parallel()
	folder := fstest.MapFS{"app.py": {Data: make([]byte, 60)}, "big": {Data: make([]byte, 40)}}
	if err := writeFunctionZip(io.Discard, folder, "fn", 100); err != nil {
		t.Errorf("a folder of the largest size: %v", err)
	}
	for _, limit := range []int64{99, 60, 59} {
		err := writeFunctionZip(io.Discard, folder, "fn", limit)
		if err == nil || !strings.Contains(err.Error(), "more than") {
			t.Errorf("100 bytes where %d are allowed give %v", limit, err)
		}
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func writeFile(t *testing.T, folder, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
