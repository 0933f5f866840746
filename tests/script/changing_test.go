package script

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/libcape/libcape/capelib"
)

// TestAFolderThatChangesWhileItIsDeployed changes its last file when the first has been read in part.
func TestAFolderThatChangesWhileItIsDeployed(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	variables := prepare(t, folder, t.Cleanup)
	roots, err := os.ReadFile(filepath.Join(folder, "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(last string) error
		says   string // of the error; empty: what was read is deployed
	}{
		"grows":   {func(last string) error { return os.WriteFile(last, make([]byte, 1<<20), 0o600) }, ""},
		"shrinks": {func(last string) error { return os.Truncate(last, 0) }, ""},
		"goes":    {os.Remove, "the function cannot be read to its end: z cannot be read: "},
		"is a pipe": {func(last string) error { return errors.Join(os.Remove(last), syscall.Mkfifo(last, 0o600)) },
			"the function cannot be read to its end: z is not a regular file: remove it from the folder"},
		"leads out": {func(last string) error { return errors.Join(os.Remove(last), os.Symlink("/etc/passwd", last)) },
			"the function cannot be read to its end: z is an absolute link, which may lead out of the folder"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			function := filepath.Join(t.TempDir(), "changing")
			if err := errors.Join(os.Mkdir(function, 0o700), os.WriteFile(function+"/app.py", []byte(handler), 0o600),
				os.WriteFile(function+"/first", bytes.Repeat([]byte("x"), 1<<20), 0o600), os.WriteFile(function+"/z", []byte("last"), 0o600)); err != nil {
				t.Fatal(err)
			}
			changed := false
			_, err := capelib.Deploy(context.Background(), capelib.Options{
				URL: variables["URL"], Token: variables["TOKEN"], AttestationRoots: roots, Policy: &capelib.Policy{Any: true},
			}, capelib.Deployment{Path: function, Progress: func(int64, int64) {
				if !changed {
					changed = true
					if err := c.change(function + "/z"); err != nil {
						t.Error(err)
					}
				}
			}})
			failure := capelib.AsError(err)
			switch {
			case c.says == "" && err != nil:
				t.Error(err)
			case c.says != "" && (failure == nil || failure.Reason != "argument.deployment" || !strings.HasPrefix(failure.Message, c.says)):
				t.Errorf("%v", err)
			}
		})
	}
}
