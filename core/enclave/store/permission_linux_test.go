package store

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

const nobody = 65534

// asSomebody runs with a user's rights to files that the superuser has not, and returns what it
// gives. The thread that it runs on ends with it.
func asSomebody(run func() error) error {
	if os.Geteuid() != 0 {
		return run()
	}
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if err := syscall.Setfsuid(nobody); err != nil {
			ended <- err
			return
		}
		ended <- run()
	}()
	return <-ended
}

func TestAFolderThatMayNotBeUsedIsRefusedWithARemedy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		closed string // what of the folder is closed, below it
		mode   os.FileMode
		text   string
	}{
		"a journal that may not be read": {journalName, 0, journalName},
		"a journal that is read only":    {journalName, 0o400, journalName},
		"a folder that is read only":     {"", 0o500, "permission denied"},
		"no new code":                    {codeFolder, 0o500, codeFolder},
		"a folder that may not be seen":  {"", 0, "permission denied"},
		"a lock of somebody else":        {lockName, 0, lockName},
	} {
		parent := t.TempDir()
		path := filepath.Join(parent, "data")
		s := reopen(t, path)
		add(t, s, "one", "ada/f", "code")
		_ = s.Close()
		if os.Geteuid() == 0 {
			for _, each := range []string{"", lockName, journalName, codeFolder, filepath.Join(codeFolder, "one"+codeSuffix)} {
				if err := os.Chown(filepath.Join(path, each), nobody, nobody); err != nil {
					t.Skipf("files cannot be given to somebody else here: %v", err)
				}
			}
			for _, above := range []string{parent, filepath.Dir(parent)} {
				if err := os.Chmod(above, 0o755); err != nil {
					t.Fatal(err)
				}
			}
		}
		open := func() error {
			s, err := Open(path)
			if err == nil {
				err = s.Close()
			}
			return err
		}
		if err := asSomebody(open); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(path, c.closed), c.mode); err != nil {
			t.Fatal(err)
		}
		err := asSomebody(open)
		if err == nil || !strings.Contains(err.Error(), "cannot be used") || !strings.Contains(err.Error(), c.text) ||
			!strings.Contains(err.Error(), "let the user whom the enclave runs as read and write") {
			t.Errorf("%s: %v", name, err)
		}
		_ = os.Chmod(filepath.Join(path, c.closed), 0o700)
	}
}

func TestAFolderThatHoldsSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if err := os.Mkdir(filepath.Join(path, journalName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Error(err)
	}
	file := filepath.Join(path, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Error(err)
	}
}
