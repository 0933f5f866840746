package enclave

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// entry is one entry of a zip that a test makes.
type entry struct {
	name, content string
	mode          fs.FileMode
}

func zipped(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var into bytes.Buffer
	files := zip.NewWriter(&into)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if e.mode != 0 {
			header.SetMode(e.mode)
		}
		w, err := files.CreateHeader(header)
		if err == nil {
			_, err = w.Write([]byte(e.content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	return into.Bytes()
}

func TestHostileZipsAreRefused(t *testing.T) {
	t.Parallel()
	app := entry{name: "f/app.py"}
	// Sizes stand at fixed places of an entry's record in the list at the end.
	lying := zipped(t, app, entry{name: "f/data", content: strings.Repeat("x", 5000)})
	record := bytes.LastIndex(lying, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(lying[record+24:], 7)
	huge := zipped(t, app, entry{name: "f/data", content: "x"})
	record = bytes.LastIndex(huge, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(huge[record+24:], 1_000_000_000)
	binary.LittleEndian.PutUint32(huge[bytes.Index(huge, []byte("PK\x01\x02"))+24:], 1)
	damaged := zipped(t, app, entry{name: "f/data", content: "content"})
	damaged[bytes.LastIndex(damaged, []byte("f/data"))-46+16] ^= 1 // the CRC-32
	encrypted := zipped(t, app)
	encrypted[bytes.LastIndex(encrypted, []byte("PK\x01\x02"))+8] |= 1
	for name, c := range map[string]struct {
		data []byte
		text string
	}{
		"nothing":             {nil, "no zip"},
		"half a zip":          {lying[:len(lying)/2], "no zip"},
		"an empty zip":        {zipped(t), "no app.py"},
		"no app.py":           {zipped(t, entry{name: "f/x"}), "no app.py"},
		"app.py too deep":     {zipped(t, entry{name: "f/g/app.py"}), "no app.py"},
		"two functions":       {zipped(t, app, entry{name: "g/app.py"}), "more than one"},
		"a way up":            {zipped(t, app, entry{name: "f/../../x"}), "leads out"},
		"a way up in front":   {zipped(t, app, entry{name: "../x"}), "leads out"},
		"an absolute name":    {zipped(t, app, entry{name: "/etc/x"}), "leads out"},
		"a backslash":         {zipped(t, app, entry{name: `f\x`}), "leads out"},
		"a NUL":               {zipped(t, app, entry{name: "f/x\x00"}), "leads out"},
		"no name":             {zipped(t, app, entry{name: ""}), "leads out"},
		"a link":              {zipped(t, app, entry{"f/x", "/etc/passwd", fs.ModeSymlink | 0o777}), "symbolic link"},
		"a device":            {zipped(t, app, entry{"f/x", "", fs.ModeDevice | 0o666}), "neither a file"},
		"a pipe":              {zipped(t, app, entry{"f/x", "", fs.ModeNamedPipe | 0o666}), "neither a file"},
		"a file twice":        {zipped(t, app, app), "twice"},
		"a file and a folder": {zipped(t, app, entry{name: "f/x"}, entry{name: "f/x/y"}), "lies in what is a file"},
		"a folder and a file": {zipped(t, app, entry{name: "f/x/y"}, entry{name: "f/x"}), "twice, or is a folder"},
		"a long name":         {zipped(t, app, entry{name: "f/" + strings.Repeat("x", 256)}), "too long"},
		"a deep name":         {zipped(t, app, entry{name: strings.Repeat("f/", 65) + "x"}), "too long"},
		"a false size":        {lying, "damaged, or not of the size"},
		"too much":            {huge, "unpacks to more than"},
		"a wrong CRC":         {damaged, "damaged"},
		"encrypted":           {encrypted, "encrypted"},
	} {
		if err := checkZip(c.data); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %q", name, err, c.text)
		}
	}
}

func TestAListOfEntriesWithoutEndIsNotRead(t *testing.T) {
	t.Parallel()
	var into bytes.Buffer
	files := zip.NewWriter(&into)
	for i := range maxEntries + 1 {
		if _, err := files.CreateHeader(&zip.FileHeader{Name: fmt.Sprint("f/", i), Method: zip.Store}); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	if err := checkZip(into.Bytes()); err == nil || !strings.Contains(err.Error(), "too many entries") {
		t.Error(err)
	}
}

func TestWhatIsHandedOverLiesInTheFunctionsFolder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entries []entry
		want    []string
	}{
		"under a folder": {[]entry{{name: "f/"}, {name: "f/app.py"}, {name: "f/a/b"}, {name: "__MACOSX/f/app.py"}, {name: "f.txt"}}, []string{"app.py", "a/b"}},
		"at the top":     {[]entry{{name: "app.py"}, {name: "a/app.py"}}, []string{"app.py", "a/app.py"}},
	} {
		data := zipped(t, c.entries...)
		if err := checkZip(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		archive := filepath.Join(t.TempDir(), "f.zip")
		if err := os.WriteFile(archive, data, 0o600); err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := eachFile(archive, func(_ *zip.File, name string) error {
			got = append(got, name)
			return nil
		}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
