package enclave

import (
	"archive/zip"
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/libcape/libcape/core/wire"
)

// FuzzCheckZip wants no more of what is accepted than that it lies in the function's folder, is
// within the bounds, and has an app.py.
func FuzzCheckZip(f *testing.F) {
	for _, names := range [][]string{{"f/app.py", "f/x"}, {"app.py"}, {"f/", "f/app.py", "g/"}, {"../x"}} {
		var into bytes.Buffer
		files := zip.NewWriter(&into)
		for _, name := range names {
			if w, err := files.Create(name); err == nil && !strings.HasSuffix(name, "/") {
				_, _ = w.Write([]byte("content"))
			}
		}
		_ = files.Close()
		f.Add(into.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if checkZip(data) != nil {
			return
		}
		files, err := openZip(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		prefix, err := layout(files.File, wire.MaxFunctionSize)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, file := range files.File {
			name, inside := strings.CutPrefix(file.Name, prefix)
			found = found || inside && name == entryFile
			if inside && name != "" && !filepath.IsLocal(name) || !file.Mode().IsRegular() && !file.Mode().IsDir() {
				t.Errorf("%q is accepted, with the mode %v", file.Name, file.Mode())
			}
		}
		if !found {
			t.Error("there is no app.py")
		}
	})
}
