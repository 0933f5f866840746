package wire

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// MaxFunctionSize is how many bytes the files of one function may hold together, before
// compression.
const MaxFunctionSize = 1_000_000_000

// WriteFunctionZip writes a function's folder as the zip that is deployed, and whose SHA-256 is
// the function's checksum. The same files give the same bytes, whatever their times and modes,
// as long as the compressor is the same: that of the Go release this was built with.
//
// Files are walked in lexical order and stored as "name/<path>", deflated, with no time and no
// mode. Every file counts, hidden ones too; directories have no entry of their own. A link to a
// file is stored as that file; a link to a directory is an error, and so is anything that is
// neither file nor directory, a folder without files, and more than MaxFunctionSize bytes.
//
// Give the folder as os.Root.FS, so that a link out of it is refused. Nothing is held in memory
// but a buffer. After an error what was written to w is of no use.
func WriteFunctionZip(w io.Writer, folder fs.FS, name string) error {
	return writeFunctionZip(w, folder, name, MaxFunctionSize)
}

func writeFunctionZip(w io.Writer, folder fs.FS, name string, limit int64) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\`) {
		return fmt.Errorf("a function cannot be named %q: use the folder's own name", name)
	}
	archive := zip.NewWriter(w)
	left := limit
	files := 0
	err := fs.WalkDir(folder, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return unreadable(folder, file, err)
		}
		if entry.IsDir() {
			return nil
		}
		files++
		n, err := addFile(archive, folder, file, path.Join(name, file), left+1)
		if left -= n; err == nil && left < 0 {
			err = fmt.Errorf("the folder holds more than %d bytes: a function may have no more", limit)
		}
		return err
	})
	if err != nil {
		return err
	}
	if files == 0 {
		return errors.New("the folder holds no file: a function needs at least an app.py")
	}
	return archive.Close()
}

// addFile stores no more than limit bytes of one file, and returns how many.
func addFile(archive *zip.Writer, folder fs.FS, file, entry string, limit int64) (int64, error) {
	if _, err := statFile(folder, file); err != nil {
		return 0, err
	}
	content, err := folder.Open(file)
	if err != nil {
		return 0, unreadable(folder, file, err)
	}
	defer content.Close()
	into, err := archive.Create(entry)
	if err != nil {
		return 0, fmt.Errorf("%s cannot be stored: %w", file, err)
	}
	n, err := io.Copy(into, io.LimitReader(content, limit))
	if err != nil {
		return n, fmt.Errorf("%s cannot be stored: %w", file, err)
	}
	return n, nil
}

// statFile describes a file of a function, which must be one.
func statFile(folder fs.FS, file string) (fs.FileInfo, error) {
	if !fs.ValidPath(file) || strings.Contains(file, `\`) {
		return nil, fmt.Errorf("%q is not a name in UTF-8, or has a \\ in it: rename it", file)
	}
	info, err := fs.Stat(folder, file) // follows a link; opening a pipe would wait for a writer
	if err != nil {
		return nil, unreadable(folder, file, err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a link to a directory: put the files themselves there", file)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file: remove it from the folder", file)
	}
	return info, nil
}

// unreadable says why a file, or what a link leads to, cannot be had.
func unreadable(folder fs.FS, file string, err error) error {
	target, linkErr := fs.ReadLink(folder, file)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s may not be read: permit it, or remove it from the folder", file)
	case linkErr != nil: // it is no link
		return fmt.Errorf("%s cannot be read: %w", file, err)
	case path.IsAbs(target):
		return fmt.Errorf("%s is an absolute link, which may lead out of the folder, to %q: make it relative, or put the file itself there", file, target)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is a link to %q, which is not there: remove it, or put the file itself there", file, target)
	case errors.Is(err, syscall.ELOOP):
		return fmt.Errorf("%s is a link that leads in a circle, to %q: put the file itself there", file, target)
	}
	return fmt.Errorf("%s is a link out of the folder, to %q: put the file itself there", file, target)
}
