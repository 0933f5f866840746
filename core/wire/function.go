package wire

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// entryFiles are what an enclave begins with, one of which a function has.
var entryFiles = [...]string{"app.py", "app.js"}

// encrypted is a bit of an entry's flags.
const encrypted = 1

// maxEntries bounds the files of a function: a zip's directory is held in memory.
const maxEntries = 200_000

// MeasureFunction tells how many bytes the files of a function's folder hold together, and
// refuses what [WriteFunctionZip] would refuse, and a folder without an app.py. It reads no file,
// but opens each, to see whether it may be read.
func MeasureFunction(folder fs.FS) (int64, error) { return measureFunction(folder, MaxFunctionSize) }

func measureFunction(folder fs.FS, limit int64) (int64, error) {
	var size int64
	files, entry := 0, hasEntryFile(folder)
	err := fs.WalkDir(folder, ".", func(file string, found fs.DirEntry, err error) error {
		if err != nil {
			return unreadable(folder, file, err)
		}
		if found.IsDir() {
			return nil
		}
		if !entry {
			return errors.New("the folder holds no app.py: a function needs one, with a cape_handler in it")
		}
		info, err := statFile(folder, file)
		if err != nil {
			return err
		}
		if opened, err := folder.Open(file); err != nil {
			return unreadable(folder, file, err)
		} else if err = opened.Close(); err != nil {
			return unreadable(folder, file, err)
		}
		files++
		size += info.Size()
		if size > limit {
			return fmt.Errorf("the folder holds more than %d bytes: a function may have no more", limit)
		}
		if files > maxEntries {
			return fmt.Errorf("the folder holds more than %d files: a function may have no more", maxEntries)
		}
		return nil
	})
	switch {
	case err != nil:
		return 0, err
	case files == 0:
		return 0, errors.New("the folder holds no file: a function needs at least an app.py")
	}
	return size, nil
}

// hasEntryFile reports whether an entry file is there, of whatever kind but a folder.
func hasEntryFile(folder fs.FS) bool {
	for _, name := range entryFiles {
		if info, err := fs.Lstat(folder, name); err == nil && !info.IsDir() {
			return true
		}
	}
	return false
}

func isEntryFile(name string) bool { return name == entryFiles[0] || name == entryFiles[1] }

// CheckFunctionZip reads a zip through, and refuses one that no enclave would take as a function:
// one that is broken, that names files outside of itself, that unpacks to more than
// MaxFunctionSize bytes, whatever it claims, or that has no app.py at its top or in a folder there.
func CheckFunctionZip(archive io.ReaderAt, size int64) error {
	return checkFunctionZip(archive, size, MaxFunctionSize)
}

func checkFunctionZip(archive io.ReaderAt, size, limit int64) error {
	reader, err := zip.NewReader(archive, size)
	if err != nil {
		return errors.New("it is not a zip: give a folder, or a zip of one")
	}
	if len(reader.File) > maxEntries {
		return fmt.Errorf("it holds more than %d files: a function may have no more", maxEntries)
	}
	entry, left := false, limit
	for _, file := range reader.File {
		if left -= int64(min(file.UncompressedSize64, uint64(limit)+1)); left < 0 {
			return tooLarge(limit)
		}
	}
	left = limit
	names := make(map[string]bool, len(reader.File))
	for _, file := range reader.File {
		name := file.Name
		if !fs.ValidPath(strings.TrimSuffix(name, "/")) || strings.Contains(name, `\`) {
			return fmt.Errorf("its file %q lies outside of it, or has no proper name: make the zip anew", name)
		}
		if strings.HasSuffix(name, "/") {
			continue
		}
		if names[name] {
			return fmt.Errorf("it holds %q twice: make the zip anew", name)
		}
		names[name] = true
		if !file.Mode().IsRegular() {
			return fmt.Errorf("its %q is not a regular file: put the file itself there", name)
		}
		if file.Flags&encrypted != 0 {
			return fmt.Errorf("its file %q is encrypted: make the zip without a password", name)
		}
		n, err := readThrough(file, left+1)
		if err != nil {
			return fmt.Errorf("its file %q cannot be read: make the zip anew: %w", name, err)
		}
		if left -= n; left < 0 {
			return tooLarge(limit)
		}
		entry = entry || isEntryFile(path.Base(name)) && strings.Count(name, "/") <= 1
	}
	if !entry {
		return errors.New("it holds no app.py: a function needs one, with a cape_handler in it")
	}
	return nil
}

func tooLarge(limit int64) error {
	return fmt.Errorf("it unpacks to more than %d bytes: a function may have no more", limit)
}

// readThrough unpacks no more than limit bytes of a file, to nowhere, and returns how many.
func readThrough(file *zip.File, limit int64) (int64, error) {
	content, err := file.Open()
	if err != nil {
		return 0, err
	}
	defer content.Close()
	return io.Copy(io.Discard, io.LimitReader(content, limit))
}
