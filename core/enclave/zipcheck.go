package enclave

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/libcape/libcape/core/wire"
)

// What a zip from a stranger may hold. wire.MaxFunctionSize bounds its content.
const (
	maxEntries   = 100_000
	maxDirectory = 32 << 20 // bytes of the zip that are read for its list of entries
	maxEntryName = 1024     // bytes
	maxElement   = 255      // bytes of one element of a name
	maxNesting   = 64       // elements of a name
	encryptedBit = 1        // of an entry's flags
)

// checkZip wants a zip of a function that can be unpacked within the bounds. Every entry is read
// to its end, so that neither a size that is not true nor damage is left for later.
func checkZip(data []byte) error {
	from := bytes.NewReader(data)
	defer from.Reset(nil) // archive/zip keeps decompressors for the next zip, and they what they read
	files, err := openZip(from, int64(len(data)))
	if err != nil {
		return err
	}
	if _, err := layout(files.File, wire.MaxFunctionSize); err != nil {
		return err
	}
	for _, file := range files.File {
		if err := checkContent(file); err != nil {
			return fmt.Errorf("the zip's entry %.100q: %w", file.Name, err)
		}
	}
	return nil
}

func checkContent(file *zip.File) error {
	content, err := file.Open()
	if err != nil {
		return fmt.Errorf("it cannot be read: %w", err)
	}
	defer content.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(content, int64(file.UncompressedSize64)+1))
	if err != nil || n != int64(file.UncompressedSize64) {
		return errors.New("its content is damaged, or not of the size that it states")
	}
	return nil
}

// openZip reads a zip's list of entries, of which there may be too many to hold.
func openZip(from io.ReaderAt, size int64) (*zip.Reader, error) {
	bounded := &boundedReader{from: from, left: maxDirectory}
	files, err := zip.NewReader(bounded, size)
	switch {
	case bounded.exceeded, err == nil && len(files.File) > maxEntries:
		return nil, fmt.Errorf("the zip has too many entries: a function may have %d files", maxEntries)
	case err != nil:
		return nil, errors.New("what arrived is no zip: deploy a folder, or a zip of one")
	}
	bounded.left = -1
	return files, nil
}

// boundedReader ends when more than left bytes were read; a negative left has no end.
type boundedReader struct {
	from     io.ReaderAt
	left     int64
	exceeded bool
}

func (b *boundedReader) ReadAt(into []byte, at int64) (int, error) {
	if b.left >= 0 {
		if b.left -= int64(len(into)); b.left < 0 {
			b.left, b.exceeded = 0, true
			return 0, errors.New("too much is read")
		}
	}
	return b.from.ReadAt(into, at)
}

// layout checks the list of entries of a zip, and returns what the names of the function's files
// begin with: "" where app.py is at the top, or the folder that holds it and a slash. Other
// folders beside it, such as archivers add, are of no meaning.
func layout(files []*zip.File, limit uint64) (prefix string, err error) {
	total, roots := uint64(0), []string(nil)
	seen := make(map[string]bool, len(files)) // whether it is a folder
	for _, file := range files {
		name := strings.TrimSuffix(file.Name, "/")
		if err := checkEntry(file, name); err != nil {
			return "", fmt.Errorf("the zip's entry %.100q %w", file.Name, err)
		}
		if isFolder := name != file.Name; !isFolder {
			if _, twice := seen[name]; twice {
				return "", fmt.Errorf("the zip's entry %.100q is there twice, or is a folder too", file.Name)
			}
			seen[name] = false
			if folder, base := path.Split(name); base == entryFile && strings.Count(folder, "/") <= 1 {
				roots = append(roots, folder)
			}
		} else if known, there := seen[name]; there && !known {
			return "", fmt.Errorf("the zip's entry %.100q is a file too", file.Name)
		} else {
			seen[name] = true
		}
		for parent := path.Dir(name); parent != "."; parent = path.Dir(parent) {
			known, there := seen[parent]
			if there && !known {
				return "", fmt.Errorf("the zip's entry %.100q lies in what is a file", file.Name)
			}
			if seen[parent] = true; there {
				break
			}
		}
		if file.UncompressedSize64 > limit-total {
			return "", fmt.Errorf("the zip unpacks to more than %d bytes: a function may have no more", limit)
		}
		total += file.UncompressedSize64
	}
	for _, root := range roots {
		if root == "" {
			return "", nil
		}
	}
	switch len(roots) {
	case 0:
		return "", fmt.Errorf("the zip has no %s, neither at its top nor in a folder there", entryFile)
	case 1:
		return roots[0], nil
	}
	return "", fmt.Errorf("the zip has more than one folder with an %s: deploy one of them", entryFile)
}

// checkEntry looks at one entry, whose name is without the slash of a folder.
func checkEntry(file *zip.File, name string) error {
	switch {
	case !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\\\x00"):
		return errors.New("has a name that leads out of the folder")
	case len(name) > maxEntryName || strings.Count(name, "/") >= maxNesting:
		return errors.New("has a name that is too long")
	case file.Flags&encryptedBit != 0:
		return errors.New("is encrypted: make the zip without a password")
	case file.Method != zip.Store && file.Method != zip.Deflate:
		return errors.New("is compressed in a way that is not known here: use deflate")
	}
	for element := range strings.SplitSeq(name, "/") {
		if len(element) > maxElement {
			return errors.New("has a name that is too long")
		}
	}
	switch mode := file.Mode(); {
	case mode.IsDir() != strings.HasSuffix(file.Name, "/"):
		return errors.New("is a folder by its name and none by its mode, or the other way round")
	case mode&fs.ModeSymlink != 0:
		return errors.New("is a symbolic link: put the file itself there")
	case !mode.IsDir() && !mode.IsRegular():
		return errors.New("is neither a file nor a folder")
	}
	return nil
}
