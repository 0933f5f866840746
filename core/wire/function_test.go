package wire

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
)

func TestMeasureFunctionCountsWhatWouldBeSent(t *testing.T) {
	t.Parallel()
	folder := fstest.MapFS{"app.py": {Data: make([]byte, 10)}, "data/x": {Data: make([]byte, 5)}}
	if size, err := measureFunction(folder, 15); err != nil || size != 15 {
		t.Errorf("%d, %v", size, err)
	}
	for name, c := range map[string]struct {
		folder fstest.MapFS
		says   string
	}{
		"empty":          {fstest.MapFS{}, "no file"},
		"without app.py": {fstest.MapFS{"deep/app.py": {}}, "no app.py"},
		"too large":      {fstest.MapFS{"app.py": {Data: make([]byte, 16)}}, "more than 15 bytes"},
	} {
		if _, err := measureFunction(c.folder, 15); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMeasureFunctionRefusesWhatLeavesTheFolder(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		make func(path string) error
		says string
	}{
		"a link out":          {func(path string) error { return os.Symlink(outside, path) }, "lead out of the folder"},
		"a dangling link":     {func(path string) error { return os.Symlink("nowhere", path) }, "which is not there"},
		"a link to directory": {func(path string) error { return os.Symlink(".", path) }, "link to a directory"},
		"a pipe":              {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "not a regular file"},
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "app.py"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.make(filepath.Join(folder, "x")); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(folder)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		if _, err := MeasureFunction(root.FS()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// zipFile makes a zip of names and contents in turn.
func zipFile(t testing.TB, entries ...string) []byte {
	t.Helper()
	var archive bytes.Buffer
	writer := zip.NewWriter(&archive)
	for i := 0; i < len(entries); i += 2 {
		into, err := writer.Create(entries[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := into.Write([]byte(entries[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// lying is a zip that says of its one file that it unpacks to ten bytes, in both places.
func lying(t testing.TB) []byte {
	archive := zipFile(t, "echo/app.py", strings.Repeat("x", 5000))
	at := bytes.LastIndex(archive, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(archive[at+24:], 10)
	at = bytes.Index(archive, []byte("PK\x07\x08"))
	binary.LittleEndian.PutUint32(archive[at+12:], 10)
	return archive
}

func TestCheckFunctionZipTakesBothLayouts(t *testing.T) {
	t.Parallel()
	for _, entries := range [][]string{{"echo/app.py", "x"}, {"app.py", "x", "data/x", "y"}, {"echo/", "", "echo/app.js", "x"}} {
		archive := zipFile(t, entries...)
		if err := CheckFunctionZip(bytes.NewReader(archive), int64(len(archive))); err != nil {
			t.Errorf("%q: %v", entries, err)
		}
	}
}

func TestCheckFunctionZipRefuses(t *testing.T) {
	t.Parallel()
	var links bytes.Buffer
	writer := zip.NewWriter(&links)
	header := &zip.FileHeader{Name: "echo/app.py"}
	header.SetMode(os.ModeSymlink | 0o777)
	if _, err := writer.CreateHeader(header); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	good := zipFile(t, "echo/app.py", "def cape_handler(x): return x")
	damaged := bytes.Clone(good)
	damaged[bytes.Index(damaged, []byte("app.py"))+8] ^= 0xff
	for name, c := range map[string]struct {
		archive []byte
		says    string
	}{
		"nothing":         {nil, "not a zip"},
		"no zip":          {[]byte("def cape_handler(x): return x"), "not a zip"},
		"cut off":         {good[:len(good)-10], "not a zip"},
		"damaged":         {damaged, "cannot be read"},
		"empty":           {zipFile(t), "no app.py"},
		"too deep":        {zipFile(t, "a/b/app.py", ""), "no app.py"},
		"upwards":         {zipFile(t, "app.py", "", "../x", ""), "outside"},
		"absolute":        {zipFile(t, "app.py", "", "/etc/x", ""), "outside"},
		"another slash":   {zipFile(t, "app.py", "", `..\x`, ""), "outside"},
		"twice":           {zipFile(t, "app.py", "a", "app.py", "b"), "twice"},
		"a link":          {links.Bytes(), "regular file"},
		"bomb":            {zipFile(t, "app.py", "", "x", strings.Repeat("x", 4097)), "more than 4096 bytes"},
		"bomb that lies":  {lying(t), "cannot be read"},
		"bomb in pieces":  {zipFile(t, "app.py", "", "x", strings.Repeat("x", 4000), "y", strings.Repeat("y", 97)), "more than 4096 bytes"},
		"claims too much": {claiming(t), "more than 4096 bytes"},
	} {
		err := checkFunctionZip(bytes.NewReader(c.archive), int64(len(c.archive)), 4096)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// claiming is a zip whose sizes would overflow a sum.
func claiming(t testing.TB) []byte {
	var archive bytes.Buffer
	writer := zip.NewWriter(&archive)
	for i := range 4 {
		if _, err := writer.CreateRaw(&zip.FileHeader{Name: fmt.Sprint(i), UncompressedSize64: 1 << 62}); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

func FuzzCheckFunctionZip(f *testing.F) {
	f.Add(zipFile(f, "echo/app.py", "x"))
	f.Add(lying(f))
	f.Add(claiming(f))
	f.Fuzz(func(t *testing.T, archive []byte) {
		if checkFunctionZip(bytes.NewReader(archive), int64(len(archive)), 1<<16) != nil {
			return
		}
		reader, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range reader.File {
			if strings.Contains(file.Name, "..") && !strings.Contains(file.Name, "...") && strings.Contains("/"+file.Name+"/", "/../") {
				t.Fatalf("%q was let through", file.Name)
			}
		}
	})
}
