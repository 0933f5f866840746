package script

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const handler = "def cape_handler(input):\n    return input\n"

// entry is a file of a zip.
type entry struct{ name, content string }

func zipped(entries ...entry) []byte {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for _, e := range entries {
		into, err := w.Create(e.name)
		if err == nil {
			_, err = into.Write([]byte(e.content))
		}
		if err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return archive.Bytes()
}

// rewritten is a zip of an app.py that was changed at an offset of its entry, both where the entry
// stands and in the directory at the end.
func rewritten(local, central int, change func(byte) byte) []byte {
	archive := zipped(entry{"app.py", handler})
	archive[local] = change(archive[local])
	at := bytes.Index(archive, []byte("PK\x01\x02")) + central
	archive[at] = change(archive[at])
	return archive
}

// zipBomb is a small zip that unpacks to more than a gigabyte.
func zipBomb() []byte {
	const size, count = 16 << 20, 63
	one := zipped(entry{"0", strings.Repeat("\x00", size)})
	r, err := zip.NewReader(bytes.NewReader(one), int64(len(one)))
	if err != nil {
		panic(err)
	}
	raw, err := r.File[0].OpenRaw()
	if err != nil {
		panic(err)
	}
	var packed, archive bytes.Buffer
	if _, err := packed.ReadFrom(raw); err != nil {
		panic(err)
	}
	w := zip.NewWriter(&archive)
	for i := range count {
		into, err := w.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("bomb/%d", i), Method: zip.Deflate, CRC32: crc32.ChecksumIEEE(make([]byte, size)),
			CompressedSize64: uint64(packed.Len()), UncompressedSize64: size})
		if err == nil {
			_, err = into.Write(packed.Bytes())
		}
		if err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return archive.Bytes()
}

// linkedZip has a symbolic link in it.
func linkedZip() []byte {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	header := &zip.FileHeader{Name: "secret"}
	header.SetMode(fs.ModeSymlink | 0o777)
	into, err := w.CreateHeader(header)
	if err == nil {
		_, err = into.Write([]byte("/etc/passwd"))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err)
	}
	return archive.Bytes()
}

const (
	noEntry    = ": a function needs one, with a cape_handler in it (argument.deployment)"
	noZip      = " cannot be deployed: it is not a zip: give a folder, or a zip of one (argument.deployment)"
	putItThere = ": put the file itself there (argument.deployment)"
	tooMuch    = "more than 1000000000 bytes: a function may have no more (argument.deployment)"
	improper   = " lies outside of it, or has no proper name: make the zip anew (argument.deployment)"
)

// refusedZips are what the files x.zip are, and what is said of them after the word cape.
var refusedZips = map[string]struct {
	archive func() []byte
	says    string
}{
	"text":            {func() []byte { return []byte(handler) }, "x.zip" + noZip},
	"nothing":         {func() []byte { return nil }, "x.zip" + noZip},
	"cut off":         {func() []byte { a := zipped(entry{"app.py", handler}); return a[:len(a)-10] }, "x.zip" + noZip},
	"no entries":      {func() []byte { return zipped() }, "x.zip cannot be deployed: it holds no app.py" + noEntry},
	"no app.py":       {func() []byte { return zipped(entry{"readme", ""}) }, "x.zip cannot be deployed: it holds no app.py" + noEntry},
	"app.py too deep": {func() []byte { return zipped(entry{"a/b/app.py", handler}) }, "x.zip cannot be deployed: it holds no app.py" + noEntry},
	"app.py a folder": {func() []byte { return zipped(entry{"app.py/x", handler}) }, "x.zip cannot be deployed: it holds no app.py" + noEntry},
	"a zip in it":     {func() []byte { return zipped(entry{"x.zip", string(zipped(entry{"app.py", handler}))}) }, "x.zip cannot be deployed: it holds no app.py" + noEntry},
	"upwards":         {func() []byte { return zipped(entry{"app.py", handler}, entry{"../x", ""}) }, `x.zip cannot be deployed: its file "../x"` + improper},
	"absolute":        {func() []byte { return zipped(entry{"app.py", handler}, entry{"/etc/x", ""}) }, `x.zip cannot be deployed: its file "/etc/x"` + improper},
	"another slash":   {func() []byte { return zipped(entry{"app.py", handler}, entry{`..\x`, ""}) }, `x.zip cannot be deployed: its file "..\\x"` + improper},
	"no UTF-8":        {func() []byte { return zipped(entry{"app.py", handler}, entry{"caf\xe9", ""}) }, `x.zip cannot be deployed: its file "caf\xe9"` + improper},
	"a name twice":    {func() []byte { return zipped(entry{"app.py", "a"}, entry{"app.py", "b"}) }, `x.zip cannot be deployed: it holds "app.py" twice: make the zip anew (argument.deployment)`},
	"a link in it":    {linkedZip, `x.zip cannot be deployed: its "secret" is not a regular file` + putItThere},
	"a bomb":          {zipBomb, "x.zip cannot be deployed: it unpacks to " + tooMuch},
	"encrypted":       {func() []byte { return rewritten(6, 8, func(b byte) byte { return b | 1 }) }, `x.zip cannot be deployed: its file "app.py" is encrypted: make the zip without a password (argument.deployment)`},
	"another method":  {func() []byte { return rewritten(8, 10, func(byte) byte { return 12 }) }, `x.zip cannot be deployed: its file "app.py" cannot be read: make the zip anew: zip: unsupported compression algorithm (argument.deployment)`},
	"two functions":   {func() []byte { return zipped(entry{"a/app.py", handler}, entry{"b/app.py", handler}) }, `HOST refused the function: the function cannot be taken: the zip has more than one folder with an app.py: deploy one of them (function.refused)`},
}

// refusedFolders change a folder that has an app.py.
var refusedFolders = map[string]struct {
	change func(folder string) error
	says   string // after "x cannot be deployed: "
}{
	"empty":        {func(f string) error { return os.Remove(f + "/app.py") }, "the folder holds no file: a function needs at least an app.py (argument.deployment)"},
	"only folders": {func(f string) error { return errors.Join(os.Remove(f+"/app.py"), os.MkdirAll(f+"/a/b", 0o700)) }, "the folder holds no file: a function needs at least an app.py (argument.deployment)"},
	"no app.py":    {func(f string) error { return os.Rename(f+"/app.py", f+"/main.py") }, "the folder holds no app.py" + noEntry},
	"app.py deeper": {func(f string) error {
		return errors.Join(os.Mkdir(f+"/a", 0o700), os.Rename(f+"/app.py", f+"/a/app.py"))
	}, "the folder holds no app.py" + noEntry},
	"app.py a folder": {func(f string) error { return errors.Join(os.Rename(f+"/app.py", f+"/x"), os.Mkdir(f+"/app.py", 0o700)) }, "the folder holds no app.py" + noEntry},
	"no app.py, and a link": {func(f string) error {
		return errors.Join(os.Rename(f+"/app.py", f+"/main.py"), os.Symlink("/etc", f+"/a"))
	}, "the folder holds no app.py" + noEntry},
	"too large":              {func(f string) error { return os.Truncate(f+"/app.py", 1_000_000_001) }, "the folder holds " + tooMuch},
	"a link out":             {func(f string) error { return os.Symlink("../secret", f+"/s") }, `s is a link out of the folder, to "../secret"` + putItThere},
	"an absolute link out":   {func(f string) error { return os.Symlink("/etc/passwd", f+"/s") }, `s is an absolute link, which may lead out of the folder, to "/etc/passwd": make it relative, or put the file itself there (argument.deployment)`},
	"an absolute link in":    {func(f string) error { return os.Symlink(f+"/app.py", f+"/s") }, `s is an absolute link, which may lead out of the folder, to "FOLDER/app.py": make it relative, or put the file itself there (argument.deployment)`},
	"a link to a folder":     {func(f string) error { return errors.Join(os.Mkdir(f+"/a", 0o700), os.Symlink("a", f+"/s")) }, "s is a link to a directory: put the files themselves there (argument.deployment)"},
	"a link to a folder out": {func(f string) error { return os.Symlink("..", f+"/s") }, `s is a link out of the folder, to ".."` + putItThere},
	"a link to itself":       {func(f string) error { return os.Symlink("s", f+"/s") }, `s is a link that leads in a circle, to "s"` + putItThere},
	"a circle of links":      {func(f string) error { return errors.Join(os.Symlink("b", f+"/a"), os.Symlink("a", f+"/b")) }, `a is a link that leads in a circle, to "b"` + putItThere},
	"a link to its folder":   {func(f string) error { return os.Symlink(".", f+"/s") }, "s is a link to a directory: put the files themselves there (argument.deployment)"},
	"a broken link":          {func(f string) error { return os.Symlink("nothing", f+"/s") }, `s is a link to "nothing", which is not there: remove it, or put the file itself there (argument.deployment)`},
	"a pipe":                 {func(f string) error { return syscall.Mkfifo(f+"/s", 0o600) }, "s is not a regular file: remove it from the folder (argument.deployment)"},
	"a socket":               {socket, "s is not a regular file: remove it from the folder (argument.deployment)"},
	"a name not in UTF-8":    {func(f string) error { return os.WriteFile(f+"/caf\xe9", nil, 0o600) }, `"caf\xe9" is not a name in UTF-8, or has a \ in it: rename it (argument.deployment)`},
	"a backslash":            {func(f string) error { return os.WriteFile(f+`/a\b`, nil, 0o600) }, `"a\\b" is not a name in UTF-8, or has a \ in it: rename it (argument.deployment)`},
}

func socket(folder string) error {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: folder + "/s"})
	if err != nil {
		return err
	}
	listener.SetUnlinkOnClose(false)
	return listener.Close()
}

// deployer deploys x out of folders of their own.
type deployer struct {
	variables map[string]string
	policy    string
}

func newDeployer(t *testing.T) deployer {
	folder := t.TempDir()
	return deployer{prepare(t, folder, t.Cleanup), filepath.Join(folder, "enclave.json")}
}

// refuses wants one line on standard error, nothing else, and the exit status.
func (d deployer) refuses(t *testing.T, folder, name string, status int, says string, flags ...string) {
	t.Helper()
	command := exec.Command(absolute(t, "build/cape"), append([]string{"deploy", name, "--token", d.variables["TOKEN"], "--policy", d.policy}, flags...)...)
	command.Dir = folder
	command.Env = []string{"CAPE_ENCLAVE_HOST=" + d.variables["URL"], "CAPE_ATTESTATION_ROOT=" + filepath.Join(filepath.Dir(d.policy), "root.pem")}
	var output, said bytes.Buffer
	command.Stdout, command.Stderr = &output, &said
	_ = command.Run()
	if want := "cape: " + says + "\n"; said.String() != want || output.Len() > 0 || command.ProcessState.ExitCode() != status {
		t.Errorf("exit status %d and %q, %q; want %d and %q", command.ProcessState.ExitCode(), said.String(), output.String(), status, want)
	}
}

func TestDeployRefusesInOneLineThatSaysWhatToDo(t *testing.T) {
	t.Parallel()
	d := newDeployer(t)
	for name, c := range refusedZips {
		t.Run("zip, "+name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "x.zip"), c.archive(), 0o600); err != nil {
				t.Fatal(err)
			}
			host := strings.TrimPrefix(d.variables["URL"], "ws://")
			status := 2
			if strings.HasPrefix(c.says, "HOST") {
				status = 1
			}
			d.refuses(t, folder, "x.zip", status, strings.Replace(c.says, "HOST", host, 1))
		})
	}
	for name, c := range refusedFolders {
		t.Run("folder, "+name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			if err := errors.Join(os.WriteFile(folder+"/secret", nil, 0o600), os.Mkdir(folder+"/x", 0o700),
				os.WriteFile(folder+"/x/app.py", []byte(handler), 0o600), c.change(folder+"/x")); err != nil {
				t.Fatal(err)
			}
			d.refuses(t, folder, "x", 2, "x cannot be deployed: "+strings.Replace(c.says, "FOLDER", folder+"/x", 1))
		})
	}
}

func TestDeployRefusesNames(t *testing.T) {
	t.Parallel()
	d := newDeployer(t)
	folder := t.TempDir()
	const why = " is no name of a function: letters, digits, '_', '.' and '-' may stand in one, of the form NAME or USER/NAME: give another with --name (argument.function)"
	for _, name := range []string{"with space", ".hidden", "ünï", strings.Repeat("x", 200)} {
		if err := errors.Join(os.Mkdir(filepath.Join(folder, name), 0o700), os.WriteFile(filepath.Join(folder, name, "app.py"), []byte(handler), 0o600)); err != nil {
			t.Fatal(err)
		}
		shown, _, _ := strings.Cut(name, ".")
		d.refuses(t, folder, name, 2, fmt.Sprintf("%q", shown)+why)
	}
	if err := os.Rename(filepath.Join(folder, "with space"), filepath.Join(folder, "x")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/b/c", "..", "a b", "/x", "x/"} {
		d.refuses(t, folder, "x", 2, fmt.Sprintf("%q", name)+why, "--name", name)
	}
	host := strings.TrimPrefix(d.variables["URL"], "ws://")
	d.refuses(t, folder, "x", 1, host+` refused the function: the name "bob/x" is taken: it belongs to another user, and yours begin with ann/ (function.refused)`, "--name", "bob/x")
	d.refuses(t, folder, "none", 2, "none cannot be deployed: it is not there, or may not be read: give a folder with an app.py, or a zip of one (argument.deployment)")
	d.refuses(t, folder, "/dev/null", 2, "/dev/null cannot be deployed: it is neither a folder nor a zip: give a folder with an app.py, or a zip of one (argument.deployment)")
	d.refuses(t, folder, "", 2, "name one folder or zip: the argument is empty")
}

// TestDeployRefusesWhatMayNotBeRead runs the command as nobody, where this is root.
func TestDeployRefusesWhatMayNotBeRead(t *testing.T) {
	t.Parallel()
	folder, err := os.MkdirTemp("", "cape-unreadable-") // other than t.TempDir, all may reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	binary, err := os.ReadFile(absolute(t, "build/cape"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "below"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(folder, name, "data"), 0o755), os.WriteFile(filepath.Join(folder, name, "app.py"), []byte(handler), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(folder, 0o755), os.WriteFile(folder+"/cape", binary, 0o755),
		os.WriteFile(folder+"/file/data/x", nil, 0o000), os.Chmod(folder+"/below/data", 0o000)); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{"file": "data/x", "below": "data"} {
		command := exec.Command(folder+"/cape", "deploy", name, "--url", "ws://127.0.0.1:1", "--any-enclave")
		command.Dir = folder
		command.Env = []string{}
		if os.Geteuid() == 0 {
			command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		output, _ := command.CombinedOutput()
		want := "cape: " + name + " cannot be deployed: " + file + " may not be read: permit it, or remove it from the folder (argument.deployment)\n"
		if string(output) != want || command.ProcessState.ExitCode() != 2 {
			t.Errorf("%q, exit status %d; want %q", output, command.ProcessState.ExitCode(), want)
		}
	}
}
