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

// eachFile calls take for the function's files in a zip, which may be hostile, with their names
// below the function's folder. Most zips keep the function under a folder, which the names lose.
func eachFile(archive string, take func(file *zip.File, name string) error) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	files, err := openZip(file, info.Size())
	if err != nil {
		return err
	}
	prefix, err := layout(files.File, wire.MaxFunctionSize)
	if err != nil {
		return err
	}
	for _, file := range files.File {
		name, found := strings.CutPrefix(file.Name, prefix)
		if !found || name == "" || strings.HasSuffix(name, "/") {
			continue
		}
		if err := take(file, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
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
