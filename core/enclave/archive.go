package enclave

import (
	"archive/zip"
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/libcape/libcape/core/wire"
)

const entryFile = "app.py"

// pack writes the zip of a function's folder into the scratch folder and returns its path and
// checksum.
func pack(folder, scratch string) (string, [sha256.Size]byte, error) {
	var checksum [sha256.Size]byte
	root, err := os.OpenRoot(folder)
	if err != nil {
		return "", checksum, fmt.Errorf("%w: name a folder that holds an %s", err, entryFile)
	}
	defer root.Close()
	info, err := fs.Stat(root.FS(), entryFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", checksum, fmt.Errorf("it has no %s: name a folder that holds one", entryFile)
	}
	if err != nil {
		return "", checksum, err
	}
	if !info.Mode().IsRegular() {
		return "", checksum, fmt.Errorf("its %s is no file", entryFile)
	}
	archive, err := os.CreateTemp(scratch, "function-*.zip")
	if err != nil {
		return "", checksum, err
	}
	defer archive.Close()
	digest := sha256.New()
	buffered := bufio.NewWriter(archive)
	if err := wire.WriteFunctionZip(io.MultiWriter(buffered, digest), root.FS(), filepath.Base(folder)); err != nil {
		return "", checksum, err
	}
	if err := buffered.Flush(); err != nil {
		return "", checksum, err
	}
	digest.Sum(checksum[:0])
	return archive.Name(), checksum, archive.Close()
}

// unpack puts a function's files into a folder, which exists and is empty. Entries lose the folder
// under which most zips keep the function. The zip may be hostile.
func unpack(archive, folder string) error {
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("unpack the function: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("unpack the function: %w", err)
	}
	files, err := openZip(file, info.Size())
	if err != nil {
		return fmt.Errorf("unpack the function: %w", err)
	}
	prefix, err := layout(files.File, wire.MaxFunctionSize)
	if err != nil {
		return fmt.Errorf("unpack the function: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fmt.Errorf("unpack the function: %w", err)
	}
	defer root.Close()
	left := int64(wire.MaxFunctionSize)
	for _, file := range files.File {
		name, found := strings.CutPrefix(file.Name, prefix)
		if !found || name == "" || strings.HasSuffix(name, "/") {
			continue
		}
		n, err := unpackFile(file, root, name, left)
		if err != nil {
			return fmt.Errorf("unpack the function: %s: %w", name, err)
		}
		left -= n
	}
	return nil
}

func unpackFile(file *zip.File, root *os.Root, name string, limit int64) (int64, error) {
	if directory := path.Dir(name); directory != "." {
		if err := root.MkdirAll(filepath.FromSlash(directory), 0o700); err != nil {
			return 0, err
		}
	}
	content, err := file.Open()
	if err != nil {
		return 0, err
	}
	defer content.Close()
	into, err := root.OpenFile(filepath.FromSlash(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer into.Close()
	n, err := io.Copy(into, io.LimitReader(content, limit+1))
	if err != nil {
		return n, err
	}
	if n > limit {
		return n, fmt.Errorf("more than %d bytes", wire.MaxFunctionSize)
	}
	return n, into.Close()
}

// remove deletes a folder in which a function may have taken away permissions.
func remove(folder string) error {
	if err := os.RemoveAll(folder); err == nil {
		return nil
	}
	_ = filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() {
			_ = os.Chmod(name, 0o700)
		}
		return nil
	})
	return os.RemoveAll(folder)
}
